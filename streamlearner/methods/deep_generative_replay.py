"""Learns the new beside what its own former self generates: the memory of one generator alone.

After Shin, Lee, Kim and Kim, "Continual Learning with Deep Generative Replay", 2017; the ablation of paper
001 without short-term memories.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.curriculum import Curriculum
from streamlearner.generative_memory import GenerativeMemory, Samples, imagined
from streamlearner.generative_replay import shares, task_numbers
from streamlearner.methods.base import Chance, DualMemory, Experience, Observation, raw, unit_interval


class DeepGenerativeReplay(DualMemory):
    """DGR: a scholar, generator and learner, is the hippocampus; its former self the neocortex.

    Awake, each batch is learned with samples that the former self generates and labels, as many as the rule
    of `generative_replay` asks for beside the tasks of the batch: the more tasks it knows, the more, up to
    1 / kappa for each new example. Asleep, nothing is learned: the former self becomes a copy. So old
    knowledge passes through the generator again with every sleep, and is blurred each time.

    The task is the message's, else by `task_from` the label or the period between sleeps. A second one since
    the last sleep raises `fullness`, as the paper consolidates task by task.

    Differs: examples are seen once, in small batches, and the shares are those of a batch.
    """

    hippocampus: GenerativeMemory
    neocortex: GenerativeMemory
    period: Tensor
    waking_only = ("chance", "neocortex")

    def __init__(
        self,
        *,
        chance: Chance,
        scholar: GenerativeMemory,
        task_from: Literal["label", "period"],
        kappa: float,
        most_samples: int,
        learning_rate: float,
        steps: int,
    ) -> None:
        super().__init__()
        self.chance = chance
        self.hippocampus = scholar
        self.neocortex = copy.deepcopy(scholar)
        self.curriculum = Curriculum()
        self.task_from = task_from
        self.kappa = kappa
        self.most_samples = most_samples
        self.learning_rate = learning_rate
        self.steps = steps
        self.register_buffer("period", torch.tensor(0))

    def observe(self, experience: Experience) -> Observation:
        self.curriculum.meet(experience.labels, experience.tasks)
        predicted = self.predict_proba(experience.inputs, experience.tasks).argmax(1)
        new, loss = unit_interval(experience.inputs), 0.0
        self.hippocampus.meet(new)
        targets = F.one_hot(experience.labels, self.classes).to(torch.float32)
        generated = self._share(experience)
        for _ in range(self.steps):
            samples = self._beside_the_old(Samples(new, targets), generated)
            loss = self.hippocampus.learn(
                samples, learning_rate=self.learning_rate, chance=self.chance.generator
            )
        return Observation(predicted=predicted, loss=loss)

    def _share(self, experience: Experience) -> int:
        """How many samples the former self generates beside this batch."""
        tasks = task_numbers(
            experience.labels, experience.tasks, task_from=self.task_from, period=self.period
        ).tolist()
        known = self.neocortex.tasks
        for task in dict.fromkeys(tasks):
            if self.hippocampus.tasks.get(task, 0) == known.get(task, 0):
                self.hippocampus.count(task)
        rule = shares(
            Counter(tasks),
            met=dict.fromkeys(tasks, 1),
            known=known,
            kappa=self.kappa,
            capacity=self.most_samples,
        )
        return rule.generated

    def _beside_the_old(self, new: Samples, generated: int) -> Samples:
        if not generated:
            return new
        old = self.neocortex.generate(generated, self.classes, chance=self.chance.generator)
        return Samples(torch.cat([new.inputs, old.inputs]), torch.cat([new.targets, old.targets]))

    @property
    def fullness(self) -> int:
        """Tasks met since the last sleep, but the first."""
        known = self.neocortex.tasks
        return max(sum(known.get(task, 0) < met for task, met in self.hippocampus.tasks.items()) - 1, 0)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        yield

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.period += 1

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
