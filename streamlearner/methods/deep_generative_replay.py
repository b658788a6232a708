"""Learns the new beside what its own former self generates: the memory of one generator alone.

After Shin, Lee, Kim and Kim, "Continual Learning with Deep Generative Replay", 2017; the ablation of paper
001 without short-term memories.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.curriculum import Curriculum
from streamlearner.generative_memory import GenerativeMemory, Samples, imagined
from streamlearner.methods.base import Chance, DualMemory, Experience, Observation, raw, unit_interval


class DeepGenerativeReplay(DualMemory):
    """DGR: a scholar, generator and learner, is the hippocampus; its former self the neocortex.

    Awake, each batch is learned with `recollections_per_step` samples that the former self generates and
    labels, once it has learned anything. Asleep, nothing is learned: the former self becomes a copy. So old
    knowledge passes through the generator again with every sleep, and is blurred each time.

    Differs: a task is what comes between two adopted sleeps; examples are seen once, in small batches.
    """

    hippocampus: GenerativeMemory
    neocortex: GenerativeMemory
    slept: Tensor
    waking_only = ("chance", "neocortex")

    def __init__(
        self,
        *,
        chance: Chance,
        scholar: GenerativeMemory,
        learning_rate: float,
        steps: int,
        recollections_per_step: int,
    ) -> None:
        super().__init__()
        self.chance = chance
        self.hippocampus = scholar
        self.neocortex = copy.deepcopy(scholar)
        self.curriculum = Curriculum()
        self.learning_rate = learning_rate
        self.steps = steps
        self.recollections_per_step = recollections_per_step
        self.register_buffer("slept", torch.tensor(0))

    def observe(self, experience: Experience) -> Observation:
        self.curriculum.meet(experience.labels, experience.tasks)
        predicted = self.predict_proba(experience.inputs, experience.tasks).argmax(1)
        new, loss = unit_interval(experience.inputs), 0.0
        self.hippocampus.meet(new)
        targets = F.one_hot(experience.labels, self.classes).to(torch.float32)
        for _ in range(self.steps):
            samples = self._beside_the_old(Samples(new, targets))
            loss = self.hippocampus.learn(
                samples, learning_rate=self.learning_rate, chance=self.chance.generator
            )
        return Observation(predicted=predicted, loss=loss)

    def _beside_the_old(self, new: Samples) -> Samples:
        if not self.slept or not self.recollections_per_step:
            return new
        old = self.neocortex.generate(self.recollections_per_step, self.classes, chance=self.chance.generator)
        return Samples(torch.cat([new.inputs, old.inputs]), torch.cat([new.targets, old.targets]))

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        yield

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.slept += 1

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        for memory in (self.neocortex, self.hippocampus):
            memory.load_state_dict(neocortex)

    @torch.no_grad()
    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        """Generated, as nothing else is kept."""
        found = imagined([self.hippocampus], self.classes, per_class=per_class)
        return [(label, raw(inputs)) for label, inputs in found]

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        logits = self.hippocampus.answer(unit_interval(inputs), self.classes)
        return self.curriculum.restricted(logits, tasks).softmax(1)

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        shown = self.hippocampus.generator.reconstruct(unit_interval(inputs))
        return self.hippocampus.learner.eval().features(shown)
