"""A stream in phases, each labelled with some factors; the accuracy of each factor along it (paper 000)."""

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
"""Test images of each factor at a point of the curve; at the end of a phase all are used."""


class Phase(NamedTuple):
    """Examples whose labels are mappings by factor; the stream's labels have `factors` only. Metrics measured
    at the end of the phase carry its name."""

    name: str
    factors: tuple[str, ...]
    dataset: Dataset


def phase_stream(phases: Sequence[Phase]) -> Dataset:
    """The phases one after the other, as one stream."""
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
class FactorHistory:
    """What one daemon came to. Accuracy by factor: at the end of each phase, before its sleep and after it;
    at even distances, as (examples learned, accuracies); of the neocortex alone at the end. `seconds` are
    without the tests."""

    before_sleep: list[dict[str, float]] = field(default_factory=list)
    after_sleep: list[dict[str, float]] = field(default_factory=list)
    points: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    neocortex: dict[str, float] = field(default_factory=dict)
    stored_bits: int = 0
    parameter_bits: dict[str, int] = field(default_factory=dict)
    sleep_seconds: float = 0.0
    seconds: float = 0.0


class PhaseMonitor:
    """Called between batches: tests at even distances, and requests a sleep before the last batch of a phase.
    `tests` has test images by factor. Testing does not change the learner."""

    def __init__(self, phases: Sequence[Phase], tests: Mapping[str, Dataset]) -> None:
        self.ends = np.cumsum([len(phase.dataset.labels) for phase in phases]).tolist()
        self.tests = tests
        self.few = {
            factor: test.select(np.arange(min(MOST_IMAGES, len(test.labels))))
            for factor, test in tests.items()
        }
        self.history = FactorHistory()
        self.daemon: Any = None

    def __call__(self, taken: int) -> None:
        started, history = time.perf_counter(), self.history
        if len(history.after_sleep) < len(self.ends) and taken >= self.ends[len(history.after_sleep)]:
            history.after_sleep.append(self.accuracies(self.tests))
        if taken and taken >= self.ends[-1] * (len(history.points) + 1) / POINTS:
            history.points.append((taken, self.accuracies(self.few)))
        if (
            len(history.before_sleep) < len(self.ends)
            and taken + BATCH >= self.ends[len(history.before_sleep)]
        ):
            history.before_sleep.append(self.accuracies(self.tests))
            self.daemon.state.schedule.request()
        history.seconds -= time.perf_counter() - started

    def accuracies(self, tests: Mapping[str, Dataset]) -> dict[str, float]:
        """By factor, of the learner's predictor."""
        learner = self.daemon.learner
        return {factor: factor_accuracy(learner, test, factor=factor) for factor, test in tests.items()}


def factor_accuracy(learner: Any, test: Dataset, *, factor: str) -> float:
    """Of the learner's predictor; 0 where it has seen no label of this factor yet."""
    if learner is None or factor not in learner.labels.factors:
        return 0.0
    found: list[Any] = []
    for part in torch.split(to_tensor(test), ANSWER_BATCH):
        found += [answer.label[factor] for answer in learner.predictor().predict(part, task=factor)]
    return _proportion_correct(found, test, factor)


@torch.no_grad()
def neocortex_accuracy(learner: Any, test: Dataset, *, factor: str) -> float:
    """Of the neocortex alone, among the classes of the factor."""
    classes, found = learner.labels.factors[factor], list[Any]()
    for part in torch.split(to_tensor(test), ANSWER_BATCH):
        logits = learner.method.neocortex.eval()(unit_interval(part))[:, classes]
        found += [learner.labels.label(classes[place]).value for place in logits.argmax(1).tolist()]
    return _proportion_correct(found, test, factor)


def _proportion_correct(found: Sequence[Any], test: Dataset, factor: str) -> float:
    correct = [f == label[factor] for f, label in zip(found, _mappings(test), strict=True)]
    return float(np.mean(correct))


def learn_phases(
    fixture: Fixture, settings: Settings, phases: Sequence[Phase], tests: Mapping[str, Dataset]
) -> FactorHistory:
    """One daemon over the whole stream, with a sleep at the end of each phase."""
    monitor, stream = PhaseMonitor(phases, tests), phase_stream(phases)
    settings = dict(settings) | {"daemon.batch_size": BATCH, "sleep.every_examples": None}
    with fixture.daemon(settings, fixture.messages(stream), between=monitor) as daemon:
        monitor.daemon, daemon.consolidate = daemon, Stopwatch(daemon.consolidate)
        started = time.perf_counter()
        daemon.run()
        history, learner = monitor.history, daemon.learner
        history.seconds += time.perf_counter() - started
        monitor(monitor.ends[-1])
    history.sleep_seconds = daemon.consolidate.seconds
    history.stored_bits = sum(learner.method.stored_bits().values())
    history.parameter_bits = learner.method.parameter_bits()
    if isinstance(learner.method.neocortex, Network):
        history.neocortex = {
            factor: neocortex_accuracy(learner, test, factor=factor) for factor, test in tests.items()
        }
    return history


def factor_metrics(history: FactorHistory, phases: Sequence[Phase]) -> dict[str, float]:
    """By metric: `x_after_y`: factor x after the phase y and its sleep; `x_awake_y`: before that sleep."""
    measured: dict[str, float] = {}
    for phase, before_sleep, after_sleep in zip(
        phases, history.before_sleep, history.after_sleep, strict=True
    ):
        measured |= {f"{factor}_awake_{phase.name}": value for factor, value in before_sleep.items()}
        measured |= {f"{factor}_after_{phase.name}": value for factor, value in after_sleep.items()}
    measured |= {f"{factor}_of_neocortex": value for factor, value in history.neocortex.items()}
    for taken, accuracies in history.points:
        measured |= {f"{factor}_at_{taken}": round(value, 4) for factor, value in accuracies.items()}
    return measured | {"sleep_seconds": history.sleep_seconds}


def factor_rows(
    trial: Trial, measured: Mapping[str, float], history: FactorHistory, *, examples: int
) -> Iterator[Row]:
    """The rows of a trial; on a part of the stream the metrics end in `_on_quarter`."""
    suffix = "" if trial.examples is None else "_on_quarter"
    return trial_rows(
        trial,
        {name if SERIES.search(name) else name + suffix: value for name, value in measured.items()},
        stored_bits=history.stored_bits,
        parameter_bits=sum(history.parameter_bits.values()),
        seconds=history.seconds,
        examples=examples,
    )
