"""Images in batches of ten, more of which wait: what the daemon takes beside the eye alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from streamlearner.bench.experiments.cifar100_incremental import TEN
from streamlearner.bench.experiments.eye_throughput import STATISTICS, cpu_seconds_of, see_all, turning
from streamlearner.bench.experiments.eyes import EYE, FEATURES
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Row

SMALL, LARGE = 10, 100
TURNS, QUICK_TURNS = 8, 2
"""The first one warms up, and does not count."""
IMAGES = 200


@dataclass(frozen=True, slots=True)
class EyeSmallBatches:
    """Small batches share a pass of the eye; one after the other, each alone, they would be filled up."""

    name: str = "eye-small-batches"
    protocol: str = (
        "Method streaming_statistics in 245,760 bits, one thread, learned from images of CIFAR-100 through "
        "EfficientNet-lite0 at 96 pixels (fp32) in batches of 10, all of which wait in the memory source. "
        "examples_per_cpu_s: images of a turn of 200 over seconds of the processor, all threads. "
        "ratio_to_eye: that to the eye's own on the same images in the same batches, in turns; "
        "ratio_to_eye_in_hundreds: in batches of 100. The median of seven turns after a first one."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        return [Trial("eye_in_tens", TEN, seed) for seed in range(scope.seeds)]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        started = time.perf_counter()
        turns, images = (QUICK_TURNS, LARGE) if scope.quick else (TURNS, IMAGES)
        measured = in_turns(fixture, turns=turns, seed=trial.seed, images=images)
        seconds, speed = round(time.perf_counter() - started, 2), round(measured["examples_per_cpu_s"], 1)
        for metric, value in measured.items():
            yield Row(trial.arm, TEN, 0, 0, trial.seed, metric, round(value, 4), None, seconds, speed)


EYE_SMALL_BATCHES = EyeSmallBatches()


def in_turns(fixture: Fixture, *, turns: int, seed: int, images: int) -> dict[str, float]:
    """The medians: the daemon learns a part of the images, then the eye alone sees it, in both ways."""
    dataset = fixture.load_dataset("CIFAR100", True, turns * images)
    eye = fixture.build_eye(EYE | {"precision": "fp32"})
    settings = {**FEATURES, **STATISTICS, **EYE, "daemon.batch_size": SMALL, "seed": seed}
    shown = dataset.images[:, None] if dataset.images.ndim == 3 else dataset.images.transpose(0, 3, 1, 2)
    ours, alike, large = [], [], []
    with turning(fixture, settings, dataset, kafka=None) as turn:
        for number in range(turns):
            part = torch.from_numpy(shown[number * images : (number + 1) * images].copy())
            ours.append(turn(images))
            alike.append(cpu_seconds_of(partial(see_all, eye, part, batch=SMALL)) / ours[-1])
            large.append(cpu_seconds_of(partial(see_all, eye, part, batch=LARGE)) / ours[-1])
    return {
        "examples_per_cpu_s": images / statistics.median(ours[1:]),
        "ratio_to_eye": statistics.median(alike[1:]),
        "ratio_to_eye_in_hundreds": statistics.median(large[1:]),
    }
