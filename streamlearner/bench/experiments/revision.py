"""Revision: what is gained when the first and the last of six tasks come again (paper 001, Figure 6)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamlearner.bench.experiments.generative_memories import BUDGET_BITS, PAPERS_LEARNER, PERMNIST
from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.retention_curve import accuracy
from streamlearner.bench.streams.continual import QUARTER, Arm, quarter_length, settings_of, trials_of
from streamlearner.bench.streams.digit_tasks import PERMNIST_TASKS, permnist

FIRST, LAST = PERMNIST_TASKS[0], PERMNIST_TASKS[-1]
EXAMPLES = 60_000
QUICK_SIZES = 600, 120
BATCH = 10
"""Parts of the stream are cut to whole batches, so that no batch spans two of them."""


@dataclass(frozen=True, slots=True)
class Revision:
    """The six tasks of Permnist one after the other, the first and the last with half of their images only;
    then the other half of the first, and that of the last."""

    name: str
    protocol: str
    arms: Mapping[str, Arm]
    held_out_one_in: int = 6

    def trials(self, scope: Scope) -> Iterable[Trial]:
        part = quarter_length(EXAMPLES, scope, held_out_one_in=self.held_out_one_in)
        return trials_of(self.arms, budget_bits=BUDGET_BITS, scope=scope, examples=part)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        training, test = ordering.training_and_test(
            fixture, "MNIST", scope, quick=QUICK_SIZES, held_out_one_in=self.held_out_one_in
        )
        order = np.random.default_rng(trial.seed).permutation(len(training.labels))
        every = QUARTER if trial.examples else 1
        stream, ends = revised(permnist(training).select(order[::every]))
        settings = settings_of(self.arms[trial.arm], trial)
        monitor = RevisionMonitor(ends, permnist(test))
        with fixture.daemon(
            settings, fixture.messages(stream, tasks=stream.tasks), between=monitor
        ) as daemon:
            monitor.daemon, started = daemon, time.perf_counter()
            daemon.run()
            seconds, learner = time.perf_counter() - started - monitor.seconds, daemon.learner
            monitor(ends[-1])
        suffix = "_on_quarter" if trial.examples else ""
        measured = {name + suffix: value for name, value in revision_metrics(monitor.accuracies).items()}
        yield from trial_rows(
            trial,
            measured | {f"accuracy{suffix}": accuracy(learner, monitor.test, names_tasks=True)},
            stored_bits=sum(learner.method.stored_bits().values()),
            parameter_bits=sum(learner.method.parameter_bits().values()),
            seconds=seconds,
            examples=len(stream.labels),
        )


def revised(dataset: Dataset) -> tuple[Dataset, list[int]]:
    """The stream, and the indices at which the six tasks, the first revision and the last one end."""
    tasks = np.array(dataset.tasks)
    whole = {task: np.flatnonzero(tasks == task) for task in sorted(set(dataset.tasks or ()))}
    again = {}
    for task in (FIRST, LAST):
        half = len(whole[task]) // 2
        whole[task], again[task] = whole[task][:half], whole[task][half:]
    parts = [np.concatenate([*whole.values()]), again[FIRST], again[LAST]]
    parts = [part[: len(part) // BATCH * BATCH] for part in parts]
    return dataset.select(np.concatenate(parts)), np.cumsum([len(part) for part in parts]).tolist()


class RevisionMonitor:
    """Called between batches: when a part of the stream has ended, tests the first task and the last."""

    def __init__(self, ends: list[int], test: Dataset) -> None:
        self.ends, self.test = ends, test
        tasks = np.array(test.tasks)
        self.tests = {task: test.select(np.flatnonzero(tasks == task)) for task in (FIRST, LAST)}
        self.accuracies: list[dict[str, float]] = []
        self.seconds = 0.0
        self.daemon: Any = None

    def __call__(self, taken: int) -> None:
        if len(self.accuracies) == len(self.ends) or taken < self.ends[len(self.accuracies)]:
            return
        started, learner = time.perf_counter(), self.daemon.learner
        self.accuracies.append(
            {task: accuracy(learner, part, names_tasks=True) for task, part in self.tests.items()}
        )
        self.seconds += time.perf_counter() - started


def revision_metrics(accuracies: list[dict[str, float]]) -> dict[str, float]:
    """Accuracy of the first task and the last, before and after their revision."""
    after_tasks, after_first, after_last = accuracies
    return {
        "first_before_revision": after_tasks[FIRST],
        "first_after_revision": after_first[FIRST],
        "last_before_revision": after_first[LAST],
        "last_after_revision": after_last[LAST],
        "first_gain": after_first[FIRST] - after_tasks[FIRST],
        "last_gain": after_last[LAST] - after_first[LAST],
    }


REVISION = Revision(
    name="revision",
    protocol=(
        "Revision (paper 001, Figure 6): the six tasks of Permnist (MNIST as it is; its centre black, white, "
        "permuted, more of it permuted; mirrored) one after the other, the task named in the stream and at "
        "test, 10,000 of the 60,000 training images in each; of the first and the last task half of them. "
        "Then the other half of the first, then that of the last. One pass in batches of 10; tested on those "
        f"of the 10,000 test images of the task in question. {PAPERS_LEARNER}Arms as in permnist. The paper "
        "shows curves: its memory gains by revising the first task and somewhat by the last, elastic weight "
        "consolidation hardly."
    ),
    arms={
        name: arm
        for name, arm in PERMNIST.arms.items()
        if name in ("paper_configuration", "generative_dual_memory", "elastic_weight_consolidation", "ours")
    },
)
