"""One daemon over a whole stream: tested along it and after it, timed, its memory decoded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.kit.retention_curve import RetentionCurve, accuracy, readouts
from streamlearner.bench.material.class_incremental import ClassIncremental, scores_of

SHOWN = 10
"""Recollections of each class on a sheet of images."""


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """What one daemon came to: values by metric, accuracy over the stream, bits, seconds of the stream
    without the tests, recollections by class."""

    measured: dict[str, float]
    points: list[tuple[int, float]]
    stored_bits: int
    parameter_bits: dict[str, int]
    seconds: float
    shown: list[tuple[int, Tensor]]

    @property
    def total_bits(self) -> int:
        """What is stored plus the association's tables: the total constraint of paper 003, equation (4)."""
        return self.stored_bits + self.parameter_bits.get("association", 0)


def learn_stream(
    fixture: Fixture,
    settings: Settings,
    stream: Dataset,
    test: Dataset,
    *,
    names_tasks: bool,
    compares_methods: bool = False,
    newest: int = 0,
    tests: ClassIncremental | None = None,
) -> StreamOutcome:
    """One daemon over the whole stream, tested along it and after it, by `tests` too if there are any."""
    messages = fixture.messages(stream, tasks=stream.tasks if names_tasks else None)
    curve = RetentionCurve(stream, test, names_tasks=names_tasks, learner=lambda: daemon.learner)

    def between(taken: int) -> None:
        curve(taken)
        if tests is not None and taken:
            tests.along(taken, lambda: scores_of(daemon.learner.predictor()))

    with fixture.daemon(settings, messages, between=between) as daemon:
        daemon.consolidate = sleeping = Stopwatch(daemon.consolidate)
        started = time.perf_counter()
        daemon.run()
        seconds = time.perf_counter() - started - curve.seconds - (tests.seconds if tests else 0.0)
        learner = daemon.learner
        curve(len(messages))
    measured = {"accuracy": accuracy(learner, test, names_tasks=names_tasks)} | daemon_metrics(learner)
    if tests is not None:
        measured |= tests.measured(scores_of(learner.predictor()))
    if newest:
        measured[f"accuracy_of_last_{newest}"] = accuracy(
            learner, of_last_classes(test, newest), names_tasks=names_tasks
        )
    if compares_methods:
        measured |= readouts(learner, test, stream) | {"sleep_seconds": sleeping.seconds}
    return StreamOutcome(
        measured=measured,
        points=curve.points,
        stored_bits=sum(learner.method.stored_bits().values()),
        parameter_bits=learner.method.parameter_bits(),
        seconds=seconds,
        shown=learner.method.recollect(SHOWN),
    )


def of_last_classes(dataset: Dataset, classes: int) -> Dataset:
    """The examples of the classes with the highest numbers."""
    kept = set(sorted(set(dataset.labels))[-classes:])
    return dataset.select(np.flatnonzero([label in kept for label in dataset.labels]))


def daemon_metrics(learner: Any) -> dict[str, float]:
    """What the daemon measured of itself, by metric; without metrics that the stream was too short for."""
    prequential = learner.prequential
    measured = {
        "exam_retention": learner.evaluate().overall,
        "forgetting": learner.matrix.forgetting,
        "prequential_accuracy": prequential.right / prequential.seen if prequential.seen else None,
    }
    return {metric: value for metric, value in measured.items() if value is not None}


class Stopwatch:
    """Calls `work` and adds up the seconds that the calls took."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.seconds = 0.0

    def __call__(self) -> None:
        started = time.perf_counter()
        self.work()
        self.seconds += time.perf_counter() - started
