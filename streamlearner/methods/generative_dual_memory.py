"""Learns each task with a small generative memory of its own; sleep replays them all into one large one.

After Kamra, Gupta and Liu, "Deep Generative Dual Memory Network for Continual Learning" (paper 001).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.generative.generative_memory import (
    GenerativeMemory,
    Samples,
    ShortTermMemory,
    imagined,
    of_holders,
)  # fmt: skip
from streamlearner.generative.generative_replay import Shares, shares, task_numbers
from streamlearner.methods.base import Chance, DualMemory, Experience, Observation, raw, unit_interval
from streamlearner.methods.components import Components, Sleep
from streamlearner.methods.seen_classes import Curriculum
from streamlearner.networks.by_name import mlp
from streamlearner.registry.methods import GenerativeDualMemorySection

ERROR_SCALE = 0.01
"""Mean absolute errors of reconstruction that differ by so much make answers e times as likely to count."""


class GenerativeDualMemory(DualMemory):
    """DGDMN: the STM is the hippocampus, the long-term generative memory (LTM) the neocortex.

    Awake, the examples of a task train its short-term memory, with the LTM's reconstructions of them and its
    labels where it knows the task (revision). Asleep, the LTM learns from what the short-term memories and
    its former self generate, in the shares of `generative_replay`; those that learned nothing since are then
    freed. Nothing of an input is stored: generators' parameters are the memory.

    The task is the message's, else by `task_from` the label or the period between sleeps. A named task is
    answered by the short-term memory that holds it, else by the LTM. Without one all memories answer, each
    weighted by how well it reconstructs the input: softmax of minus its mean absolute error over
    `ERROR_SCALE`. So do both of a task that is being revised, as the short-term one is fresh.

    Differs: examples are seen once, in small batches; the samples of a sleep are drawn step by step in the
    shares of the rule and never held all at once; more than `short_term_tasks` tasks before a sleep comes get
    memories all the same (`fullness` asks for one), and the task then being learned is left for the next.
    """

    hippocampus: ShortTermMemory
    neocortex: GenerativeMemory
    period: Tensor
    latest: Tensor
    waking_only = ("chance",)

    def __init__(
        self,
        *,
        chance: Chance,
        blank: GenerativeMemory,
        long_term: GenerativeMemory,
        task_from: Literal["label", "period"],
        short_term_tasks: int,
        kappa: float,
        most_samples: int,
        learning_rate: float,
        steps: int,
        sleep: Sleep,
    ) -> None:
        super().__init__()
        self.chance = chance
        self.hippocampus = ShortTermMemory(blank=blank)
        self.neocortex = long_term
        self.curriculum = Curriculum()
        self.task_from = task_from
        self.short_term_tasks = short_term_tasks
        self.kappa = kappa
        self.most_samples = most_samples
        self.learning_rate = learning_rate
        self.steps = steps
        self.sleep = sleep
        self.register_buffer("period", torch.tensor(0))
        self.register_buffer("latest", torch.tensor(-1))

    @classmethod
    def build(cls, settings: GenerativeDualMemorySection, components: Components) -> Self:
        shape, network = components.input_shape, components.network
        with components.drawing():
            learner = mlp(input_shape=shape, hidden=(settings.hidden,))
            blank = GenerativeMemory.of(settings, learner=learner, input_shape=shape)
            long_term = GenerativeMemory.of(settings, learner=network, input_shape=shape, width=2)
        return cls(
            chance=components.chance(),
            blank=blank,
            long_term=long_term,
            task_from=settings.task_from,
            short_term_tasks=settings.places,
            kappa=settings.least_share,
            most_samples=settings.most_samples,
            learning_rate=network.learning_rate,
            steps=settings.steps,
            sleep=components.sleep,
        )

    def observe(self, experience: Experience) -> Observation:
        self.curriculum.meet(experience.labels, experience.tasks)
        predicted = self.predict_proba(experience.inputs, experience.tasks).argmax(1)
        tasks = task_numbers(
            experience.labels, experience.tasks, task_from=self.task_from, period=self.period
        )
        new, loss = unit_interval(experience.inputs), 0.0
        targets = F.one_hot(experience.labels, self.classes).to(torch.float32)
        for task in dict.fromkeys(tasks.tolist()):
            chosen = tasks == task
            self.hippocampus.of(task).meet(new)  # the scale of all: one example's would be the example
            loss += self._learn(task, Samples(new[chosen], targets[chosen])) * int(chosen.sum())
            self.latest.fill_(task)
        return Observation(predicted=predicted, loss=loss / len(new))

    def _learn(self, task: int, samples: Samples) -> float:
        """The task's own memory learns; its loss after the steps."""
        memory = self.hippocampus.of(task)
        if task in self.neocortex.tasks:
            samples = self._revised(samples)
        loss = 0.0
        for _ in range(self.steps):
            loss = memory.learn(samples, learning_rate=self.learning_rate, chance=self.chance.generator)
        return loss

    def _revised(self, samples: Samples) -> Samples:
        """With the LTM's reconstructions of the same inputs, and its answers."""
        again = self.neocortex.generator.reconstruct(samples.inputs)
        answers = self.neocortex.answer(samples.inputs, self.classes).softmax(1)
        return Samples(torch.cat([samples.inputs, again]), torch.cat([samples.targets, answers]))

    @property
    def fullness(self) -> int:
        """Tasks that came when no short-term memory was left: time to sleep, and again with each more, where
        that sleep was refused."""
        return max(len(self.hippocampus.tasks) - self.short_term_tasks, 0)

    def _learned(self) -> dict[int, GenerativeMemory]:
        """The short-term memories that a sleep consolidates: all, but where there are more than
        `short_term_tasks` not the one that is being learned, which may hardly know its task yet."""
        held, latest = self.hippocampus.held(), int(self.latest)
        if len(held) <= self.short_term_tasks:
            return held
        return {task: memory for task, memory in held.items() if task != latest}

    def consolidate(self, candidate: Self) -> Iterator[None]:
        short, long = candidate._learned(), candidate.neocortex
        if not short:
            return
        former, replay = copy.deepcopy(long), candidate._shares()
        for step in range(self.sleep.steps):
            samples = candidate._dreamt(former, replay)
            long.meet(samples.inputs)
            long.learn(
                samples,
                learning_rate=self.learning_rate,
                chance=candidate.chance.generator,
                pace=1.0 - step / self.sleep.steps,
            )
            yield
        for task, memory in short.items():
            long.count(task, memory.tasks[task])

    def _shares(self) -> Shares:
        """Each task at hand has as many samples as the LTM may hold: its own memory generates them."""
        short = self._learned()
        return shares(
            dict.fromkeys(short, self.most_samples),
            met={task: memory.tasks[task] for task, memory in short.items()},
            known=self.neocortex.tasks,
            kappa=self.kappa,
            capacity=self.most_samples,
        )

    def _dreamt(self, former: GenerativeMemory, replay: Shares) -> Samples:
        """One batch, drawn in the shares of the rule."""
        chance, classes = self.chance.generator, self.classes
        short = self._learned()
        weights = torch.tensor([*replay.incoming.values(), replay.generated], dtype=torch.float64)
        drawn = torch.multinomial(weights, self.sleep.batch_size, replacement=True, generator=chance)
        counts = torch.bincount(drawn, minlength=len(weights)).tolist()
        memories = [*(short[task] for task in replay.incoming), former]
        parts = [
            memory.generate(count, classes, chance=chance)
            for memory, count in zip(memories, counts, strict=True)
            if count
        ]
        inputs, targets = (torch.cat(column) for column in zip(*parts, strict=True))
        return Samples(inputs, targets)

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.period += 1
        slept = candidate._learned()
        for task, memory in self.hippocampus.held().items():
            then = slept.get(task)
            if then is not None and torch.equal(then.generator.adam.steps, memory.generator.adam.steps):
                self.hippocampus.free(task)

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        """Short-term memories are given up with all else that was learned since."""
        self.neocortex.load_state_dict(neocortex)
        self.hippocampus.tasks.clear()

    @property
    def route(self) -> str:
        return "hippocampus" if len(self.hippocampus.tasks) else "neocortex"

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        shown = unit_interval(inputs)
        memories = self._memories()
        answers = torch.stack([memory.answer(shown, self.classes).softmax(1) for memory in memories])
        errors = torch.stack([memory.generator.error(shown) for memory in memories])
        if tasks is not None:
            errors = of_holders(errors, tasks, memories)
        weights = (-errors / ERROR_SCALE).softmax(0)
        mixed = (weights[..., None] * answers).sum(0)
        allowed = self.curriculum.allowed(tasks, len(shown))
        mixed = (mixed + 1e-6) * allowed
        return mixed / mixed.sum(1, keepdim=True)

    def _memories(self) -> list[GenerativeMemory]:
        """Those that answer: all of short term, and the LTM once it has learned, or where there is no
        other."""
        short = [*self.hippocampus.held().values()]
        return [*short, self.neocortex] if self.neocortex.tasks or not short else short

    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        """Generated, as nothing else is kept."""
        found = imagined(self._memories(), self.classes, per_class=per_class)
        return [(label, raw(inputs)) for label, inputs in found]

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        """Those of the LTM's learner, by way of reconstructions once the LTM knows a task: before, its
        untrained generator makes the same of every input."""
        shown = unit_interval(inputs)
        if self.neocortex.tasks:
            shown = self.neocortex.generator.reconstruct(shown)
        return self.neocortex.learner.eval().features(shown)
