"""A stream learned once, in its order, by several arms under several budgets, and tested at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamlearner.bench.experiment import Scope, Trial
from streamlearner.bench.results import Row
from streamlearner.bench.workbench import Pictures, Settings, Workbench
from streamlearner.stream import Label

ANSWER_BATCH = 500

MEASURES = (
    "accuracy: of the test pictures after the stream. exam_retention: mean over classes on the "
    "daemon's own exam, pictures of the stream that were withheld and never trained on (256 KiB of "
    "them at most, beside the budget; they also decide whether a sleep is adopted). forgetting: on "
    "the exam, best after any sleep less last, mean over the periods between sleeps. "
    "prequential_accuracy: over the whole stream, each batch answered before it is learned."
)
"""What the rows of a ContinualExperiment count; part of its protocol."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to learn: dotted settings over the defaults, and those that hang on the budget. `paper` has the
    paper's accuracies by budget."""

    settings: Settings
    by_budget: Mapping[int, Settings] = field(default_factory=dict)
    paper: Mapping[int, float] = field(default_factory=dict)
    uses_memory: bool = True


@dataclass(frozen=True, slots=True)
class ContinualExperiment:
    """Class-incremental: `classes_per_period` labels at a time, in the order of their numbers, shuffled
    within."""

    name: str
    protocol: str
    data: str
    classes_per_period: int
    budgets_bits: tuple[int, ...]
    arms: Mapping[str, Arm]
    quick_examples: int = 2_000

    def trials(self, scope: Scope) -> Iterable[Trial]:
        """All seeds of an arm under a budget, then the next: a figure is whole as early as can be."""
        for arm, about in self.arms.items():
            for budget in (scope.budgets_bits or self.budgets_bits) if about.uses_memory else (0,):
                for seed in range(scope.seeds):
                    yield Trial(arm=arm, budget_bits=budget, seed=seed)

    def run(self, trial: Trial, *, workbench: Workbench, scope: Scope) -> Iterator[Row]:
        arm = self.arms[trial.arm]
        stream = self._in_order(workbench.load_pictures(self.data, True), trial.seed, scope)
        settings = {**arm.settings, **arm.by_budget.get(trial.budget_bits, {}), "seed": trial.seed}
        if arm.uses_memory:
            settings["memory.budget_bits"] = trial.budget_bits
        with workbench.daemon(settings, workbench.messages(stream)) as daemon:
            started = time.perf_counter()
            daemon.run()
            seconds = time.perf_counter() - started
            learner = daemon.learner
        measured = {"accuracy": accuracy(learner, workbench.load_pictures(self.data, False))} | own(learner)
        for metric, value in measured.items():
            yield Row(
                arm=trial.arm,
                budget_bits=trial.budget_bits,
                stored_bits=sum(learner.method.stored_bits().values()),
                parameter_bits=sum(learner.method.parameter_bits().values()),
                seed=trial.seed,
                metric=metric,
                value=value,
                paper=arm.paper.get(trial.budget_bits) if metric == "accuracy" else None,
                seconds=round(seconds, 2),
                examples_per_s=round(len(stream.labels) / seconds, 1),
            )

    def _in_order(self, pictures: Pictures, seed: int, scope: Scope) -> Pictures:
        order = np.random.default_rng(seed).permutation(len(pictures.labels))
        order = order[: self.quick_examples] if scope.quick else order
        periods = np.array([int(pictures.labels[i]) // self.classes_per_period for i in order])
        return pictures.select(order[np.argsort(periods, kind="stable")])


def accuracy(learner: Any, test: Pictures) -> float:
    """The share of test pictures that what answers now gets right, no task given."""
    found: list[Label] = []
    for part in torch.split(inputs(test), ANSWER_BATCH):
        found += [answer.label for answer in learner.predictor().predict(part)]
    return sum(f == label for f, label in zip(found, test.labels, strict=True)) / len(test.labels)


def inputs(pictures: Pictures) -> Tensor:
    """[n, C, H, W] uint8, as the codec decodes them."""
    images = torch.from_numpy(pictures.images)
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()


def own(learner: Any) -> dict[str, float]:
    """What the daemon itself measured, by metric; without those that the stream was too short for."""
    prequential = learner.prequential
    measured = {
        "exam_retention": learner.grade().overall,
        "forgetting": learner.matrix.forgetting,
        "prequential_accuracy": prequential.right / prequential.seen if prequential.seen else None,
    }
    return {metric: value for metric, value in measured.items() if value is not None}
