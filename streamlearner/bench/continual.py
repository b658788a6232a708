"""A stream that is learned once, in its order, by several arms under several budgets, and tested at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from streamlearner.bench.experiment import Scope, Trial
from streamlearner.bench.results import Row
from streamlearner.bench.workbench import Pictures, Settings, Workbench
from streamlearner.stream import Label

ANSWER_BATCH = 500


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to learn: dotted settings over the defaults, and those that hang on the budget. `paper` by budget."""

    settings: Settings
    by_budget: Mapping[int, Settings] = field(default_factory=dict)
    paper: Mapping[int, float] = field(default_factory=dict)
    uses_memory: bool = True


@dataclass(frozen=True, slots=True)
class ContinualExperiment:
    """Class-incremental: `classes_per_period` labels at a time, in the order of their numbers, shuffled within."""

    name: str
    protocol: str
    data: str
    classes_per_period: int
    budgets_bits: tuple[int, ...]
    arms: Mapping[str, Arm]
    quick_examples: int = 2_000

    def trials(self, scope: Scope) -> Iterable[Trial]:
        for seed in range(scope.seeds):
            for arm, about in self.arms.items():
                for budget in (scope.budgets_bits or self.budgets_bits) if about.uses_memory else (0,):
                    yield Trial(arm=arm, budget_bits=budget, seed=seed)

    def run(self, trial: Trial, *, workbench: Workbench, scope: Scope) -> Iterator[Row]:
        arm = self.arms[trial.arm]
        stream = self._in_order(workbench.load_pictures(self.data, True), trial.seed, scope)
        settings = {**arm.settings, **arm.by_budget.get(trial.budget_bits, {}), "seed": trial.seed}
        if trial.budget_bits:
            settings["memory.budget_bits"] = trial.budget_bits
        with workbench.daemon(settings, workbench.messages(stream)) as daemon:
            started = time.perf_counter()
            daemon.run()
            seconds = time.perf_counter() - started
            learner = daemon.learner
            answers = answer(learner, workbench.load_pictures(self.data, False))
            yield Row(
                arm=trial.arm,
                budget_bits=trial.budget_bits,
                stored_bits=learner.method.stored_bits().get("recollections", 0),
                parameter_bits=sum(learner.method.parameter_bits().values()),
                seed=trial.seed,
                metric="accuracy",
                value=answers,
                paper=arm.paper.get(trial.budget_bits),
                seconds=round(seconds, 2),
                examples_per_s=round(len(stream.labels) / seconds, 1),
            )

    def _in_order(self, pictures: Pictures, seed: int, scope: Scope) -> Pictures:
        order = np.random.default_rng(seed).permutation(len(pictures.labels))
        order = order[: self.quick_examples] if scope.quick else order
        periods = np.array([int(pictures.labels[i]) // self.classes_per_period for i in order])
        return pictures.select(order[np.argsort(periods, kind="stable")])


def answer(learner: object, test: Pictures) -> float:
    """Accuracy of what answers now on test pictures, no task given."""
    predictor = learner.predictor()  # type: ignore[attr-defined]
    images = torch.from_numpy(test.images)
    inputs = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    found: list[Label] = [a.label for part in torch.split(inputs, ANSWER_BATCH) for a in predictor.predict(part)]
    return sum(f == label for f, label in zip(found, test.labels, strict=True)) / len(test.labels)
