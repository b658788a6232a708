"""Learns the new beside what its own former self generates: the memory of one generator alone.

After Shin, Lee, Kim and Kim, "Continual Learning with Deep Generative Replay", 2017; the ablation of paper
001 without short-term memories.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.generative.generative_memory import GenerativeMemory, Samples, ShortTermMemory, imagined
from streamlearner.generative.generative_replay import shares, task_numbers
from streamlearner.methods.base import Chance, DualMemory, Experience, Observation, raw, unit_interval
from streamlearner.methods.components import Components
from streamlearner.methods.seen_classes import Curriculum
from streamlearner.registry.methods import GenerativeDualMemorySection

LEAST_UPDATES = 500
"""Steps after which a scholar is worth a copy when a task comes to its end."""
ENDED = 0
"""The one place among the ended."""


class DeepGenerativeReplay(DualMemory):
    """DGR: a scholar, generator and learner, is the hippocampus; its former self the neocortex.

    Awake, each batch is learned with samples that the former self generates and labels, as many as the rule
    of `generative_replay` asks for beside the tasks of the batch: the more tasks it knows, the more, up to
    1 / kappa for each new example. So old knowledge passes through the generator again with every task, and
    is blurred each time.

    The task is the message's, else by `task_from` the label or the period between sleeps. Where one begins
    while another was not slept on yet, that one has `ended`: the scholar is copied before it learns the new
    one, and the copy generates from then on. It raises `fullness`, as the paper consolidates task by task;
    a sleep learns nothing, but lets the exam judge the copy, or where no task has ended the scholar.

    Differs: examples are seen once, in small batches, and the shares are those of a batch.
    """

    hippocampus: GenerativeMemory
    neocortex: GenerativeMemory
    period: Tensor
    waking_only = ("chance", "neocortex", "ended")

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
        self.ended = ShortTermMemory(blank=copy.deepcopy(scholar))
        self.curriculum = Curriculum()
        self.task_from = task_from
        self.kappa = kappa
        self.most_samples = most_samples
        self.learning_rate = learning_rate
        self.steps = steps
        self.register_buffer("period", torch.tensor(0))

    @classmethod
    def build(cls, settings: GenerativeDualMemorySection, components: Components) -> Self:
        """Its generator is as large as the long-term one of DGDMN, and learns as that does."""
        shape, network = components.input_shape, components.network
        with components.drawing():
            scholar = GenerativeMemory.of(settings, learner=network, input_shape=shape, width=2)
        return cls(
            chance=components.chance(),
            scholar=scholar,
            task_from=settings.task_from,
            kappa=settings.least_share,
            most_samples=settings.most_samples,
            learning_rate=network.learning_rate,
            steps=settings.steps,
        )

    def observe(self, experience: Experience) -> Observation:
        self.curriculum.meet(experience.labels, experience.tasks)
        predicted = self.predict_proba(experience.inputs, experience.tasks).argmax(1)
        tasks = task_numbers(
            experience.labels, experience.tasks, task_from=self.task_from, period=self.period
        ).tolist()
        self._begin(dict.fromkeys(tasks))
        new, generated, loss = unit_interval(experience.inputs), self._share(tasks), 0.0
        self.hippocampus.meet(new)
        targets = F.one_hot(experience.labels, self.classes).to(torch.float32)
        for _ in range(self.steps):
            samples = self._beside_the_old(Samples(new, targets), generated)
            loss = self.hippocampus.learn(
                samples, learning_rate=self.learning_rate, chance=self.chance.generator
            )
        return Observation(predicted=predicted, loss=loss)

    def _begin(self, tasks: Iterable[int]) -> None:
        """Counts those that are met for the first time since the last sleep; those before them have ended."""
        known, met = self.neocortex.tasks, self.hippocampus.tasks
        begun = [task for task in tasks if met.get(task, 0) == known.get(task, 0)]
        if begun and met != known and self.hippocampus.generator.adam.steps >= LEAST_UPDATES:
            self.ended.keep(ENDED, copy.deepcopy(self.hippocampus))
        for task in begun:
            self.hippocampus.count(task)

    @property
    def former(self) -> GenerativeMemory:
        """Who generates: the scholar of the task that ended last, or of the last sleep."""
        return self.ended.held().get(ENDED, self.neocortex)

    def _share(self, tasks: list[int]) -> int:
        """How many samples are generated beside a batch of these tasks."""
        rule = shares(
            Counter(tasks),
            met=dict.fromkeys(tasks, 1),
            known=self.former.tasks,
            kappa=self.kappa,
            capacity=self.most_samples,
        )
        return rule.generated

    def _beside_the_old(self, new: Samples, generated: int) -> Samples:
        if not generated:
            return new
        old = self.former.generate(generated, self.classes, chance=self.chance.generator)
        return Samples(torch.cat([new.inputs, old.inputs]), torch.cat([new.targets, old.targets]))

    @property
    def fullness(self) -> int:
        """Tasks met since the last sleep, but the first."""
        known = self.neocortex.tasks
        return max(sum(known.get(task, 0) < met for task, met in self.hippocampus.tasks.items()) - 1, 0)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        scholar = candidate.former if candidate.ended.held() else candidate.hippocampus
        candidate.neocortex.load_state_dict(scholar.state_dict())
        yield

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.period += 1
        if self.former.tasks == self.neocortex.tasks:
            self.ended.tasks.clear()

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        self.ended.tasks.clear()
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
