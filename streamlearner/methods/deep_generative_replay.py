"""Learns each batch together with samples from an earlier copy of its own generator.

After Shin, Lee, Kim and Kim, "Continual Learning with Deep Generative Replay", 2017; the ablation of paper
001 without short-term memories.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.generative.generative_memory import (
    GenerativeMemory,
    LabelledSamples,
    ShortTermMemory,
    samples_by_class,
)
from streamlearner.generative.generative_replay import replay_counts, task_numbers
from streamlearner.methods.base import DualMemory, Experience, Observation, Rng, raw, unit_interval
from streamlearner.methods.components import Components
from streamlearner.methods.graphs import NetworkAnswers, Reconstructed
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.registry.methods import GenerativeDualMemorySection

LEAST_UPDATES = 500
"""Generator steps below which the scholar is not copied when a task ends: it has learned too little."""
ENDED = 0
"""The only key in `ended`."""


class DeepGenerativeReplay(DualMemory):
    """DGR: a scholar (generator and learner) is the hippocampus, an earlier copy of it the neocortex.

    Awake, each batch is learned together with samples that the earlier copy generates and labels, as many as
    the rule of `generative_replay` asks for: the more tasks it knows, the more, up to 1 / kappa for each new
    example. So old knowledge passes through the generator again with every task, and blurs each time.

    The task is that of the message, else by `task_from` the label or the period between sleeps. Where a task
    begins before an earlier one was consolidated, that one has `ended`: the scholar is copied, and the copy
    generates from then on. This raises `fullness`, as the paper consolidates task by task. A sleep trains
    nothing: it lets the exam evaluate that copy, or the scholar where no task has ended.

    Differs: examples are seen once, in small batches, and the rule is applied to each batch.
    """

    hippocampus: GenerativeMemory
    neocortex: GenerativeMemory
    period: Tensor
    training_only = ("rng", "neocortex", "ended")

    def __init__(
        self,
        *,
        rng: Rng,
        scholar: GenerativeMemory,
        task_from: Literal["label", "period"],
        kappa: float,
        most_samples: int,
        learning_rate: float,
        steps: int,
    ) -> None:
        super().__init__()
        self.rng = rng
        self.hippocampus = scholar
        self.neocortex = copy.deepcopy(scholar)
        self.ended = ShortTermMemory(blank=copy.deepcopy(scholar))
        self.seen_classes = SeenClasses()
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
            scholar = GenerativeMemory.from_settings(settings, learner=network, input_shape=shape, width=2)
        return cls(
            rng=components.make_rng(),
            scholar=scholar,
            task_from=settings.task_from,
            kappa=settings.least_share,
            most_samples=settings.most_samples,
            learning_rate=network.learning_rate,
            steps=settings.steps,
        )

    def observe(self, experience: Experience) -> Observation:
        self.seen_classes.register(experience.labels, experience.tasks)
        predicted = self.predict_proba(experience.inputs, experience.tasks).argmax(1)
        tasks = task_numbers(
            experience.labels, experience.tasks, task_from=self.task_from, period=self.period
        ).tolist()
        self._begin(dict.fromkeys(tasks))
        new, generated, loss = unit_interval(experience.inputs), self._replay_count(tasks), 0.0
        self.hippocampus.update_input_statistics(new)
        targets = F.one_hot(experience.labels, self.classes).to(torch.float32)
        for _ in range(self.steps):
            samples = self._with_replay(LabelledSamples(new, targets), generated)
            loss = self.hippocampus.learn(samples, learning_rate=self.learning_rate, rng=self.rng.generator)
        return Observation(predicted=predicted, loss=loss)

    def _begin(self, tasks: Iterable[int]) -> None:
        """Counts tasks that come for the first time since the last sleep. Where one does, the tasks before it
        have ended."""
        known, met = self.neocortex.tasks, self.hippocampus.tasks
        begun = [task for task in tasks if met.get(task, 0) == known.get(task, 0)]
        if begun and met != known and self.hippocampus.generator.adam.steps >= LEAST_UPDATES:
            self.ended.store(ENDED, copy.deepcopy(self.hippocampus))
        for task in begun:
            self.hippocampus.count_task(task)

    @property
    def generating_scholar(self) -> GenerativeMemory:
        """The scholar that generates: the copy from the end of the last task, else the neocortex."""
        return self.ended.memories().get(ENDED, self.neocortex)

    def _replay_count(self, tasks: list[int]) -> int:
        """How many samples are generated for a batch of these tasks."""
        rule = replay_counts(
            Counter(tasks),
            met=dict.fromkeys(tasks, 1),
            known=self.generating_scholar.tasks,
            kappa=self.kappa,
            capacity=self.most_samples,
        )
        return rule.generated

    def _with_replay(self, new: LabelledSamples, generated: int) -> LabelledSamples:
        if not generated:
            return new
        old = self.generating_scholar.generate(generated, self.classes, rng=self.rng.generator)
        return LabelledSamples(torch.cat([new.inputs, old.inputs]), torch.cat([new.targets, old.targets]))

    @property
    def fullness(self) -> int:
        """Tasks that began since the last sleep, not counting the first."""
        known = self.neocortex.tasks
        return max(sum(known.get(task, 0) < met for task, met in self.hippocampus.tasks.items()) - 1, 0)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        scholar = candidate.generating_scholar if candidate.ended.memories() else candidate.hippocampus
        candidate.neocortex.load_state_dict(scholar.state_dict())
        yield

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.period += 1
        if self.generating_scholar.tasks == self.neocortex.tasks:
            self.ended.tasks.clear()

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        self.ended.tasks.clear()
        for memory in (self.neocortex, self.hippocampus):
            memory.load_state_dict(neocortex)

    @torch.no_grad()
    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        """Generated samples: nothing else is kept."""
        found = samples_by_class([self.hippocampus], self.classes, per_class=per_class)
        return [(label, raw(inputs)) for label, inputs in found]

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        logits = self.hippocampus.answer(unit_interval(inputs), self.classes)
        return self.seen_classes.restricted(logits, tasks).softmax(1)

    def graph(self) -> nn.Module:
        shown = Reconstructed(self.hippocampus.generator)
        return NetworkAnswers(self.hippocampus.learner, self.seen_classes, before=shown)

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        shown = self.hippocampus.generator.reconstruct(unit_interval(inputs))
        return self.hippocampus.learner.eval().features(shown)
