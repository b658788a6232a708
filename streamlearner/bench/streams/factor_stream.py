"""A stream in phases, each naming some of its pictures' factors; what is known of each factor along it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from streamlearner.bench.kit.experiment import Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.kit.results import Row
from streamlearner.bench.kit.retention_curve import ANSWER_BATCH, to_tensor
from streamlearner.bench.kit.tables import SERIES
from streamlearner.bench.streams.one_pass import Stopwatch
from streamlearner.methods.base import unit_interval
from streamlearner.networks.base import Network

BATCH = 10
POINTS = 30
QUICK = {"sleep.steps": 5}
MOST_IMAGES = 1_000
"""Of each factor, tested at a point of the curve; at the end of a phase all are."""


class Phase(NamedTuple):
    """Dataset whose labels are mappings, of which the stream names these factors. Figures taken at its end
    are called after its name."""

    name: str
    factors: tuple[str, ...]
    dataset: Dataset


def joined(phases: Sequence[Phase]) -> Dataset:
    """The stream: phase after phase."""
    labels: list[Any] = [
        {factor: label[factor] for factor in phase.factors if factor in label}
        for phase in phases
        for label in _mappings(phase.dataset)
    ]
    return Dataset(np.concatenate([phase.dataset.images for phase in phases]), labels)


def _mappings(dataset: Dataset) -> Sequence[Mapping[str, Any]]:
    labels: Sequence[Any] = dataset.labels
    return labels


@dataclass
class Course:
    """Accuracy by factor: at the end of each phase, just before its sleep and after it; at even distances
    (examples taken, accuracies); of the neocortex alone at the end. Bits, and seconds without the tests."""

    awake: list[dict[str, float]] = field(default_factory=list)
    slept: list[dict[str, float]] = field(default_factory=list)
    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    neocortex: dict[str, float] = field(default_factory=dict)
    stored_bits: int = 0
    parameter_bits: dict[str, int] = field(default_factory=dict)
    sleep_seconds: float = 0.0
    seconds: float = 0.0


class AlongPhases:
    """Called between batches: tests at even distances, and asks for a sleep before the last batch of a
    phase. `tests` has pictures by factor. Testing changes nothing in the learner."""

    def __init__(self, phases: Sequence[Phase], tests: Mapping[str, Dataset]) -> None:
        self.ends = np.cumsum([len(phase.dataset.labels) for phase in phases]).tolist()
        self.tests = tests
        self.few = {
            factor: test.select(np.arange(min(MOST_IMAGES, len(test.labels))))
            for factor, test in tests.items()
        }
        self.course = Course()
        self.daemon: Any = None

    def __call__(self, taken: int) -> None:
        started, course = time.perf_counter(), self.course
        if len(course.slept) < len(self.ends) and taken >= self.ends[len(course.slept)]:
            course.slept.append(self.known(self.tests))
        if taken and taken >= self.ends[-1] * (len(course.points) + 1) / POINTS:
            course.points.append((taken, self.known(self.few)))
        if len(course.awake) < len(self.ends) and taken + BATCH >= self.ends[len(course.awake)]:
            course.awake.append(self.known(self.tests))
            self.daemon.state.schedule.request()
        course.seconds -= time.perf_counter() - started

    def known(self, tests: Mapping[str, Dataset]) -> dict[str, float]:
        """The share of each factor's pictures that what answers now gets right."""
        learner = self.daemon.learner
        return {factor: accuracy(learner, test, factor=factor) for factor, test in tests.items()}


def accuracy(learner: Any, test: Dataset, *, factor: str) -> float:
    """0 where no label of this factor was met yet."""
    if learner is None or factor not in learner.labels.factors:
        return 0.0
    found: list[Any] = []
    for part in torch.split(to_tensor(test), ANSWER_BATCH):
        found += [answer.label[factor] for answer in learner.predictor().predict(part, task=factor)]
    return _share(found, test, factor)


@torch.no_grad()
def neocortex_accuracy(learner: Any, test: Dataset, *, factor: str) -> float:
    """Of the long-term network alone, among the classes of the factor."""
    classes, found = learner.labels.factors[factor], list[Any]()
    for part in torch.split(to_tensor(test), ANSWER_BATCH):
        logits = learner.method.neocortex.eval()(unit_interval(part))[:, classes]
        found += [learner.labels.label(classes[place]).value for place in logits.argmax(1).tolist()]
    return _share(found, test, factor)


def _share(found: Sequence[Any], test: Dataset, factor: str) -> float:
    right = [f == label[factor] for f, label in zip(found, _mappings(test), strict=True)]
    return float(np.mean(right))


def learned(
    fixture: Fixture, settings: Settings, phases: Sequence[Phase], tests: Mapping[str, Dataset]
) -> Course:
    """One daemon over the whole stream, with a sleep at the end of each phase."""
    watch, stream = AlongPhases(phases, tests), joined(phases)
    settings = dict(settings) | {"daemon.batch_size": BATCH, "sleep.every_examples": None}
    with fixture.daemon(settings, fixture.messages(stream), between=watch) as daemon:
        watch.daemon, daemon.consolidate = daemon, Stopwatch(daemon.consolidate)
        started = time.perf_counter()
        daemon.run()
        course, learner = watch.course, daemon.learner
        course.seconds += time.perf_counter() - started
        watch(watch.ends[-1])
    course.sleep_seconds = daemon.consolidate.seconds
    course.stored_bits = sum(learner.method.stored_bits().values())
    course.parameter_bits = learner.method.parameter_bits()
    if isinstance(learner.method.neocortex, Network):
        course.neocortex = {
            factor: neocortex_accuracy(learner, test, factor=factor) for factor, test in tests.items()
        }
    return course


def told(course: Course, phases: Sequence[Phase]) -> dict[str, float]:
    """By metric: `x_after_y`: factor x after the phase y and its sleep; `x_awake_y`: just before it."""
    measured: dict[str, float] = {}
    for phase, awake, slept in zip(phases, course.awake, course.slept, strict=True):
        measured |= {f"{factor}_awake_{phase.name}": share for factor, share in awake.items()}
        measured |= {f"{factor}_after_{phase.name}": share for factor, share in slept.items()}
    measured |= {f"{factor}_of_neocortex": share for factor, share in course.neocortex.items()}
    for taken, known in course.points:
        measured |= {f"{factor}_at_{taken}": round(share, 4) for factor, share in known.items()}
    return measured | {"sleep_seconds": course.sleep_seconds}


def rows(trial: Trial, measured: Mapping[str, float], course: Course, *, examples: int) -> Iterator[Row]:
    """The figures of a trial; on a part of the stream their metrics end in `_on_quarter`."""
    suffix = "" if trial.examples is None else "_on_quarter"
    return trial_rows(
        trial,
        {name if SERIES.search(name) else name + suffix: value for name, value in measured.items()},
        stored_bits=course.stored_bits,
        parameter_bits=sum(course.parameter_bits.values()),
        seconds=course.seconds,
        examples=examples,
    )
