"""Class-incremental CIFAR-100 through a pretrained eye: how much is retained for how many bits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from streamlearner.bench.experiments.cifar100_incremental import BUDGETS_BITS, RAW_BITS
from streamlearner.bench.kit.experiment import Scope, Trial, trial_rows
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.ordering import split_held_out
from streamlearner.bench.kit.results import Curve, Row
from streamlearner.bench.material.class_incremental import ClassIncremental
from streamlearner.bench.material.seen_features import seen
from streamlearner.bench.peers import capymoa
from streamlearner.bench.peers.feature_arms import AT_ONCE, BOUNDED, NEED_CAPYMOA, UNBOUNDED, Given
from streamlearner.bench.streams.one_pass import learn_stream

EYE: dict[str, Any] = {"eye.name": "efficientnet_lite0", "eye.input_size": 96}
MIRRORED = EYE | {"eye.mirrored": True}
FEATURES: dict[str, Any] = {"eye.ordered": True, "precision": "fp32", "daemon.batch_size": 200, "threads": 1}
OURS: dict[str, dict[str, Any]] = {
    "ours": {"method.name": "streaming_statistics"},
    "ours_once": {"method.name": "streaming_statistics"},
    "ours_planned": {"method.name": "streaming_statistics"},
    "ours_default_method": {},
}
PLANNED = dict(zip(BUDGETS_BITS, (107, 309, 686), strict=True))
"""Features that each budget still holds at the end, with a hundred classes and all images."""
PEERS_BATCH = 500
PERIOD = 10
"""Classes that come at once."""
QUICK = 400


@dataclass(frozen=True, slots=True)
class Eyes:
    """The stream is one class after another, ten classes a period, their order drawn by the seed."""

    name: str = "eyes"
    protocol: str = (
        "Class-incremental CIFAR-100 without tasks: 50,000 training images, 100 classes, ten at a time in an "
        "order drawn by the seed, shuffled within the ten, one pass in batches of 200; tested on the 10,000 "
        "test images among all classes (accuracy), and among the ten that came with the right one "
        "(task_incremental_accuracy; learning is the same). Learned from the features of EfficientNet-lite0 "
        "(ImageNet weights, frozen: transfer) at 96 pixels, its 1,000 leading directions as the eye gives "
        "them, in 16-bit floats, each the mean of an image and its mirror image; ours_once: of the image "
        "alone. Budget of ours: all that was learned, codes, labels, statistics and counts; the eye's 150 "
        "million bits are none of it, and of ours_default_method the network is not. ours: method "
        "streaming_statistics; ours_planned: with no more features from the first image on than fit at the "
        "end (its setting directions); ours_default_method: recollection_replay. slda_float32, ncm_float32, "
        "capymoa_slda and capymoa_ncm: as many of the leading features as the budget holds in 32-bit "
        "numbers. siesta_like and remind_like: 32 bytes of product-quantised features and 7 bits of label "
        "each; raw_images: remind_like with whole images in place of codes; the first ten classes are the "
        "base that tables and network are fitted to, neither of which counts. Without a bound, budget 0: "
        "streaming_lda in double precision on all 1,000, class_means standardised, all_neighbours (three of "
        "all 50,000), joint (ten epochs on all at once). Settings were chosen on 10,000 images held out of "
        "the training set. The exam withholds some images more, 256 KiB at most."
    )
    held_out_one_in: int = 5
    eye: Mapping[str, Any] = field(default_factory=lambda: MIRRORED)

    def trials(self, scope: Scope) -> Iterable[Trial]:
        budgets = scope.budgets_bits or BUDGETS_BITS[: 1 if scope.quick else None]
        for arm in (*OURS, *here()):
            for budget in budgets:
                for seed in range(scope.seeds):
                    yield Trial(arm, budget, seed)
        for arm in UNBOUNDED:
            yield Trial(arm, 0, 0)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row | Curve]:
        training, test = _halves(fixture, scope.quick, mirrored=trial.arm != "ours_once", device=scope.device)
        if scope.held_out:
            training, test = split_held_out(training, held_out_one_in=self.held_out_one_in)
        stream = in_class_order(training, seed=trial.seed)
        tests = ClassIncremental(stream, test, at_once=PERIOD)
        if trial.arm in OURS:
            yield from of_daemon(trial, fixture, stream, test, tests)
        else:
            yield from of_peer(trial, stream, tests)


EYES = Eyes()


def here() -> list[str]:
    """The bounded peers whose packages are installed."""
    return [arm for arm in BOUNDED if arm not in NEED_CAPYMOA or capymoa.is_installed()]


@lru_cache(maxsize=1)  # from arm to arm
def _halves(fixture: Fixture, quick: bool, *, mirrored: bool, device: str) -> tuple[Dataset, Dataset]:
    eye = (MIRRORED if mirrored else EYE) | {"device": device}
    most = QUICK if quick else None
    training, test = (seen(fixture, eye, data="CIFAR100", train=half, most=most) for half in (True, False))
    return training, test


def in_class_order(dataset: Dataset, *, seed: int, at_once: int = PERIOD) -> Dataset:
    """So many classes after so many others, in an order of the seed's; shuffled within each."""
    rng = np.random.default_rng(seed)
    names = sorted(set(dataset.labels))
    period = {label: place // at_once for place, label in enumerate(rng.permutation(names).tolist())}
    order = rng.permutation(len(dataset.labels))
    periods = np.array([period[dataset.labels[i]] for i in order])
    return dataset.select(order[np.argsort(periods, kind="stable")])


def of_daemon(
    trial: Trial, fixture: Fixture, stream: Dataset, test: Dataset, tests: ClassIncremental
) -> Iterator[Row | Curve]:
    arm = trial.arm.rpartition("/")[2]
    own = OURS[arm] | {"memory.budget_bits": trial.budget_bits, "seed": trial.seed}
    if arm == "ours_planned":
        own["method.streaming_statistics.directions"] = PLANNED.get(trial.budget_bits)
    outcome = learn_stream(fixture, FEATURES | own, stream, test, names_tasks=False, tests=tests)
    yield from trial_rows(
        trial,
        outcome.measured,
        stored_bits=outcome.stored_bits,
        parameter_bits=sum(outcome.parameter_bits.values()),
        seconds=outcome.seconds,
        examples=len(stream.labels),
    )
    yield Curve(trial.arm, trial.budget_bits, trial.seed, outcome.points)


def of_peer(
    trial: Trial, stream: Dataset, tests: ClassIncremental, *, image_bits: int = RAW_BITS
) -> Iterator[Row]:
    inputs, labels = torch.from_numpy(stream.images), torch.tensor(stream.labels)
    classes = len(set(stream.labels))
    given = Given(trial.budget_bits, trial.seed, inputs, classes, tests.first_ends, image_bits)
    arm = trial.arm.rpartition("/")[2]
    candidate = (BOUNDED | UNBOUNDED)[arm](given)
    seconds, learned = 0.0, 0
    size = len(labels) if arm in AT_ONCE else PEERS_BATCH
    for shown, truth in zip(torch.split(inputs, size), torch.split(labels, size), strict=True):
        started = time.perf_counter()
        candidate.learn(shown, truth)
        learned += len(truth)
        if learned == len(labels):
            candidate.finish()
        seconds += time.perf_counter() - started
        tests.along(learned, lambda: candidate.scores)
    yield from trial_rows(
        trial,
        tests.measured(candidate.scores),
        stored_bits=candidate.stored_bits,
        parameter_bits=candidate.parameter_bits,
        seconds=seconds,
        examples=len(stream.labels),
    )
