"""Learns each task with a small generative memory of its own; sleep replays all of them into a large one.

After Kamra, Gupta and Liu, "Deep Generative Dual Memory Network for Continual Learning" (paper 001).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.generative.generative_memory import (
    GenerativeMemory,
    LabelledSamples,
    ShortTermMemory,
    errors_of_task_holders,
    samples_by_class,
)  # fmt: skip
from streamlearner.generative.generative_replay import ReplayCounts, replay_counts, task_numbers
from streamlearner.methods.base import DualMemory, Experience, Observation, Rng, raw, unit_interval
from streamlearner.methods.components import Components, Sleep
from streamlearner.methods.graphs import LEAST, MemoriesAnswer
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks.by_name import mlp
from streamlearner.registry.methods import GenerativeDualMemorySection

ERROR_TEMPERATURE = 0.01
"""A memory whose mean absolute reconstruction error is smaller by this weighs e times as much."""


class GenerativeDualMemory(DualMemory):
    """DGDMN: the short-term memory (STM) is the hippocampus, the long-term one (LTM) the neocortex.

    Awake, the examples of a task train its short-term memory; where the LTM knows the task, also the LTM's
    reconstructions of them with its predictions (revision). Asleep, the LTM learns samples of the short-term
    memories and of its own earlier state, in the proportions of `generative_replay`; short-term memories that
    have not learned since are then removed. No input is stored: the memory is the generators' parameters.

    The task is that of the message, else by `task_from` the label or the period between sleeps. A named task
    is answered by the short-term memory that holds it, else by the LTM. Without a name all memories answer,
    weighted by reconstruction: softmax of minus the mean absolute error over `ERROR_TEMPERATURE`. A task
    under revision is answered by both in the same way, as its short-term memory is new.

    Differs: examples are seen once, in small batches; the samples of a sleep are drawn step by step in the
    proportions of the rule, never stored together; more than `short_term_tasks` tasks before a sleep all get
    memories (`fullness` then asks for a sleep), and the one being learned is left for the next.
    """

    hippocampus: ShortTermMemory
    neocortex: GenerativeMemory
    period: Tensor
    latest: Tensor
    training_only = ("rng",)

    def __init__(
        self,
        *,
        rng: Rng,
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
        self.rng = rng
        self.hippocampus = ShortTermMemory(blank=blank)
        self.neocortex = long_term
        self.seen_classes = SeenClasses()
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
            blank = GenerativeMemory.from_settings(settings, learner=learner, input_shape=shape)
            long_term = GenerativeMemory.from_settings(settings, learner=network, input_shape=shape, width=2)
        return cls(
            rng=components.make_rng(),
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
        self.seen_classes.register(experience.labels, experience.tasks)
        predicted = self.predict_proba(experience.inputs, experience.tasks).argmax(1)
        tasks = task_numbers(
            experience.labels, experience.tasks, task_from=self.task_from, period=self.period
        )
        new, loss = unit_interval(experience.inputs), 0.0
        targets = F.one_hot(experience.labels, self.classes).to(torch.float32)
        for task in dict.fromkeys(tasks.tolist()):
            chosen = tasks == task
            # of all new inputs: standardised by its own statistics, a single one would be 0
            self.hippocampus.memory_of(task).update_input_statistics(new)
            loss += self._learn(task, LabelledSamples(new[chosen], targets[chosen])) * int(chosen.sum())
            self.latest.fill_(task)
        return Observation(predicted=predicted, loss=loss / len(new))

    def _learn(self, task: int, samples: LabelledSamples) -> float:
        """Trains the task's short-term memory for `steps` steps; the loss of the last."""
        memory = self.hippocampus.memory_of(task)
        if task in self.neocortex.tasks:
            samples = self._with_revision(samples)
        loss = 0.0
        for _ in range(self.steps):
            loss = memory.learn(samples, learning_rate=self.learning_rate, rng=self.rng.generator)
        return loss

    def _with_revision(self, samples: LabelledSamples) -> LabelledSamples:
        """Adds the LTM's reconstructions of the same inputs, with its predictions."""
        again = self.neocortex.generator.reconstruct(samples.inputs)
        answers = self.neocortex.answer(samples.inputs, self.classes).softmax(1)
        return LabelledSamples(torch.cat([samples.inputs, again]), torch.cat([samples.targets, answers]))

    @property
    def fullness(self) -> int:
        """How many more tasks there are than `short_term_tasks`: each asks for a sleep once."""
        return max(len(self.hippocampus.tasks) - self.short_term_tasks, 0)

    def _to_consolidate(self) -> dict[int, GenerativeMemory]:
        """The short-term memories that a sleep consolidates: all; but where there are more than
        `short_term_tasks`, without the one being learned, which may hardly know its task yet."""
        held, latest = self.hippocampus.memories(), int(self.latest)
        if len(held) <= self.short_term_tasks:
            return held
        return {task: memory for task, memory in held.items() if task != latest}

    def consolidate(self, candidate: Self) -> Iterator[None]:
        if not (short := candidate._to_consolidate()):
            return
        long, replay = candidate.neocortex, candidate._replay_counts()
        former = copy.deepcopy(long)
        steps = self.sleep.steps_of(candidate)
        for step in range(steps):
            samples = candidate._replay_batch(former, replay)
            long.update_input_statistics(samples.inputs)
            rng, factor = candidate.rng.generator, 1.0 - step / steps
            long.learn(samples, learning_rate=self.learning_rate, rng=rng, rate_factor=factor)
            yield
        for task, memory in short.items():
            long.count_task(task, memory.tasks[task])

    def _replay_counts(self) -> ReplayCounts:
        """The rule for the available tasks: each counts as `most_samples` examples, as its own memory
        generates them."""
        short = self._to_consolidate()
        return replay_counts(
            dict.fromkeys(short, self.most_samples),
            met={task: memory.tasks[task] for task, memory in short.items()},
            known=self.neocortex.tasks,
            kappa=self.kappa,
            capacity=self.most_samples,
        )

    def _replay_batch(self, former: GenerativeMemory, replay: ReplayCounts) -> LabelledSamples:
        """One batch, drawn in the proportions of the rule."""
        rng, classes = self.rng.generator, self.classes
        short = self._to_consolidate()
        weights = torch.tensor([*replay.incoming.values(), replay.generated], dtype=torch.float64)
        drawn = torch.multinomial(weights, self.sleep.batch_size, replacement=True, generator=rng)
        counts = torch.bincount(drawn, minlength=len(weights)).tolist()
        memories = [*(short[task] for task in replay.incoming), former]
        parts = [
            memory.generate(count, classes, rng=rng)
            for memory, count in zip(memories, counts, strict=True)
            if count
        ]
        inputs, targets = (torch.cat(column) for column in zip(*parts, strict=True))
        return LabelledSamples(inputs, targets)

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.period += 1
        slept = candidate._to_consolidate()
        for task, memory in self.hippocampus.memories().items():
            then = slept.get(task)
            if then is not None and torch.equal(then.generator.adam.steps, memory.generator.adam.steps):
                self.hippocampus.remove(task)

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        """Short-term memories are dropped with all else that was learned since."""
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
            errors = errors_of_task_holders(errors, tasks, memories)
        weights = (-errors / ERROR_TEMPERATURE).softmax(0)
        mixed = (weights[..., None] * answers).sum(0)
        allowed = self.seen_classes.allowed(tasks, len(shown))
        mixed = (mixed + LEAST) * allowed
        return mixed / mixed.sum(1, keepdim=True)

    def graph(self) -> nn.Module:
        return MemoriesAnswer(self._memories(), self.seen_classes, temperature=ERROR_TEMPERATURE)

    def _memories(self) -> list[GenerativeMemory]:
        """The memories that answer: all short-term ones, and the LTM once it has learned, or where there is
        no other."""
        short = [*self.hippocampus.memories().values()]
        return [*short, self.neocortex] if self.neocortex.tasks or not short else short

    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        """Generated samples: nothing else is kept."""
        found = samples_by_class(self._memories(), self.classes, per_class=per_class)
        return [(label, raw(inputs)) for label, inputs in found]

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        """Features of the LTM's learner for reconstructions by the LTM; for the inputs themselves before it
        has learned a task, as its untrained generator reconstructs every input alike."""
        shown = unit_interval(inputs)
        if self.neocortex.tasks:
            shown = self.neocortex.generator.reconstruct(shown)
        return self.neocortex.learner.eval().features(shown)
