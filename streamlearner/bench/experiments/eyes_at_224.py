"""The eye at the 224 pixels that it was trained with, on an accelerator: what it retains, and its speed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamlearner.bench.experiments.cifar100_incremental import TEN, TWO_HUNDRED
from streamlearner.bench.experiments.eyes import PERIOD, in_class_order, of_daemon, of_peer
from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Curve, Row
from streamlearner.bench.material.class_incremental import ClassIncremental
from streamlearner.bench.material.seen_features import seen

EYE: dict[str, Any] = {"eye.name": "efficientnet_lite0", "eye.input_size": 224, "eye.mirrored": True}
PRECISIONS = ("fp32", "bf16")
SEEN, QUICK_SEEN = 5_000, 40
"""Images of which the seconds are counted."""
BATCH = 250
QUICK = 400


@dataclass(frozen=True, slots=True)
class EyesAt224:
    """On a processor it takes five times as long as at 96 pixels; `--device cuda` is what it is for."""

    name: str = "eyes-at-224"
    protocol: str = (
        "The protocol of the experiment eyes, but images at the 224 pixels that EfficientNet-lite0 was "
        "trained with, each the mean of it and its mirror image; features in fp32, on the device that "
        "--device names. ours: method streaming_statistics; streaming_lda: in double precision, without a "
        "bound. eye_fp32 and eye_bf16: images a second of the eye alone in batches of 250, an image and its "
        "mirror image counted as one (examples/s), and same_as_fp32: how large a part of the features' "
        "variance is the same as in fp32."
    )
    eye: Mapping[str, Any] = field(default_factory=lambda: EYE)

    def trials(self, scope: Scope) -> Iterable[Trial]:
        budgets = scope.budgets_bits or ((TEN,) if scope.quick else (TEN, TWO_HUNDRED))
        eyes = [Trial(f"eye_{precision}", 0, 0) for precision in PRECISIONS]
        ours = [Trial("ours", budget, seed) for budget in budgets for seed in range(scope.seeds)]
        return [*eyes, *ours, Trial("streaming_lda", 0, 0)]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row | Curve]:
        eye, most = EYE | {"device": scope.device}, QUICK if scope.quick else None
        if trial.arm.startswith("eye_"):
            yield from _speed(trial, fixture, eye, images=QUICK_SEEN if scope.quick else SEEN)
            return
        training, test = (
            seen(fixture, eye, data="CIFAR100", train=half, most=most) for half in (True, False)
        )
        stream = in_class_order(training, seed=trial.seed)
        tests = ClassIncremental(stream, test, at_once=PERIOD)
        if trial.arm == "ours":
            yield from of_daemon(trial, fixture, stream, test, tests)
        else:
            yield from of_peer(trial, stream, tests)


EYES_AT_224 = EyesAt224()


def _speed(trial: Trial, fixture: Fixture, eye: dict[str, Any], *, images: int) -> Iterator[Row]:
    shown = as_tensor(fixture.load_dataset("CIFAR100", True, images))
    exact, same = None, 1.0
    if trial.arm != "eye_fp32":
        exact = fixture.build_eye(eye | {"precision": "fp32"}).see(shown[:BATCH])
    network = fixture.build_eye(eye | {"precision": trial.arm.removeprefix("eye_")})
    found = network.see(shown[:BATCH])  # warms up
    if exact is not None:
        same = 1.0 - float((found - exact).square().mean() / exact.var())
    started = time.perf_counter()
    for part in torch.split(shown, BATCH):
        network.see(part)
    seconds = time.perf_counter() - started
    measured = {"same_as_fp32": round(same, 5)}
    yield from trial_rows(trial, measured, parameter_bits=0, seconds=seconds, examples=len(shown))


def as_tensor(dataset: Dataset) -> Tensor:
    """[n, C, H, W] uint8."""
    images = dataset.images
    shown = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(shown))
