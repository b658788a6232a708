"""Examples a second of statistics on features that are sent, and of the daemon with an eye in front."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamlearner.bench.experiments.cifar100_incremental import TEN
from streamlearner.bench.experiments.eyes import EYE, FEATURES
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.kit.results import Row
from streamlearner.bench.peers.turns import TurnSource, run_turn

STATISTICS: Settings = {"method.name": "streaming_statistics", "memory.budget_bits": TEN, "seed": 0}
TURNS, QUICK_TURNS = 4, 2
"""The first one warms up, and does not count."""
FEATURE_TURN, IMAGE_TURN = 10_000, 500
EYE_BATCH = 100


@dataclass(frozen=True, slots=True)
class EyeThroughput:
    """Seconds are those that the processor spent on all threads of the process, so that a busy machine
    changes little."""

    name: str = "eye-throughput"
    protocol: str = (
        "Method streaming_statistics in 245,760 bits, one thread, learned along a stream of 100 classes. "
        "features: vectors of 1,000 float32 numbers from the memory source, in batches of 200; "
        "features_kafka: from a topic of four partitions. eye: images of CIFAR-100 through "
        "EfficientNet-lite0 at 96 pixels in batches of 100. examples_per_cpu_s: examples of a turn over "
        "seconds of the processor, all threads, the median of three turns after a first one. ratio_to_eye: "
        "that of the daemon to the eye's own on the same images in the same batches, in turns."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        arms = ("features", *(("features_kafka",) if scope.kafka else ()), "eye")
        return [Trial(arm, TEN, seed) for arm in arms for seed in range(scope.seeds)]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        turns = QUICK_TURNS if scope.quick else TURNS
        kafka = scope.kafka if trial.arm == "features_kafka" else None
        measure = (
            partial(of_eye, images=IMAGE_TURN if not scope.quick else EYE_BATCH)
            if trial.arm == "eye"
            else partial(of_features, kafka=kafka, examples=FEATURE_TURN if not scope.quick else 400)
        )
        started = time.perf_counter()
        measured = measure(fixture, turns=turns, seed=trial.seed)
        seconds = round(time.perf_counter() - started, 2)
        for metric, value in measured.items():
            speed = round(measured["examples_per_cpu_s"], 1)
            yield Row(trial.arm, TEN, 0, 0, trial.seed, metric, round(value, 4), None, seconds, speed)


EYE_THROUGHPUT = EyeThroughput()


def of_features(
    fixture: Fixture, *, turns: int, seed: int, examples: int, kafka: str | None
) -> dict[str, float]:
    drawn = features(np.random.default_rng(seed), count=turns * examples)
    settings = FEATURES | dict(STATISTICS)
    with turning(fixture, settings, drawn, kafka=kafka) as turn:
        speeds = [examples / turn(examples) for _ in range(turns)]
    return {"examples_per_cpu_s": statistics.median(speeds[1:])}


def of_eye(fixture: Fixture, *, turns: int, seed: int, images: int) -> dict[str, float]:
    dataset = fixture.load_dataset("CIFAR100", True, turns * images)
    eye = fixture.build_eye(EYE | {"precision": "fp32"})
    settings = {**FEATURES, **STATISTICS, **EYE, "daemon.batch_size": EYE_BATCH, "seed": seed}
    shown = dataset.images[:, None] if dataset.images.ndim == 3 else dataset.images.transpose(0, 3, 1, 2)
    speeds, ratios = [], []
    with turning(fixture, settings, dataset, kafka=None) as turn:
        for number in range(turns):
            part = torch.from_numpy(shown[number * images : (number + 1) * images].copy())
            ours = turn(images)
            alone = cpu_seconds_of(partial(see_all, eye, part, batch=EYE_BATCH))
            speeds.append(images / ours)
            ratios.append(alone / ours)
    return {
        "examples_per_cpu_s": statistics.median(speeds[1:]),
        "ratio_to_eye": statistics.median(ratios[1:]),
    }


def see_all(eye: Any, images: Tensor, *, batch: int) -> None:
    for part in torch.split(images, batch):
        eye.see(part)


@contextmanager
def turning(
    fixture: Fixture, settings: Settings, dataset: Dataset, *, kafka: str | None
) -> Iterator[Callable[[int], float]]:
    """A daemon over this stream, as a function that learns so many more examples and returns the seconds of
    the processor that it took."""
    messages = fixture.messages(dataset)
    with fixture.daemon(settings, messages) as daemon:
        source = TurnSource(fixture.build_kafka_source(messages, kafka) if kafka else daemon.state.source)
        daemon.state.intake.source = source
        daemon.serving.start()
        source.open(None)

        def turn(examples: int) -> float:
            source.left = examples
            return cpu_seconds_of(partial(run_turn, daemon, source))

        yield turn
        daemon.close()


def cpu_seconds_of(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def features(rng: np.random.Generator, *, count: int, classes: int = 100, values: int = 1_000) -> Dataset:
    """Draws of as many normal distributions as there are classes, apart in the first columns."""
    means = rng.standard_normal((classes, values)) * np.exp(-np.arange(values) / 200)
    labels = rng.integers(classes, size=count)
    drawn = (means[labels] + rng.standard_normal((count, values))).astype(np.float32)
    return Dataset(drawn, labels.tolist())
