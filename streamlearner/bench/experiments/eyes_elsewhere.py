"""The same eye and the same arms on other data: few classes of photographs, many of handwriting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from streamlearner.bench.experiments.cifar100_incremental import RAW_BITS, TEN
from streamlearner.bench.experiments.eyes import EYE, OURS, here, in_class_order, of_daemon, of_peer
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Dataset, Fixture
from streamlearner.bench.kit.results import Curve, Row
from streamlearner.bench.material.class_incremental import ClassIncremental
from streamlearner.bench.material.seen_features import seen
from streamlearner.bench.peers.feature_arms import UNBOUNDED

QUICK = 200


class Slice(NamedTuple):
    """A data set, so many of its first images to learn from and to test on (None: all), classes that come at
    once, and the bits of an image. `halves`: whether it has a test half; if not, the test images follow."""

    data: str
    training: int | None
    test: int | None
    at_once: int
    image_bits: int
    halves: bool


SLICES = {
    "cifar10": Slice("CIFAR10", 3_000, 1_000, 2, RAW_BITS, halves=False),
    "omniglot": Slice("Omniglot", None, None, 22, 8 * 28 * 28, halves=True),
}


@dataclass(frozen=True, slots=True)
class EyesElsewhere:
    """Class after class, their order drawn by the seed, as in the experiment eyes."""

    name: str = "eyes-elsewhere"
    protocol: str = (
        "The arms of the experiment eyes at 245,760 bits, and its unbounded ones, on the features of "
        "EfficientNet-lite0 at 96 pixels, each image seen once. cifar10: the first 3,000 training images, "
        "two classes at a time; tested on the 1,000 that follow. omniglot: 242 characters of eight "
        "alphabets, 22 at a time; 15 drawings of each to learn from, 5 to test on."
    )
    eye: Mapping[str, Any] = field(default_factory=lambda: EYE)

    def trials(self, scope: Scope) -> Iterable[Trial]:
        ours = [arm for arm in OURS if arm not in ("ours_once", "ours_planned")]  # all see once here
        for name in SLICES:
            for arm in (*ours, *here()):
                yield from (Trial(f"{name}/{arm}", TEN, seed) for seed in range(scope.seeds))
            yield from (Trial(f"{name}/{arm}", 0, 0) for arm in UNBOUNDED)

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row | Curve]:
        name, _, arm = trial.arm.partition("/")
        training, test = halves(fixture, SLICES[name], quick=scope.quick, device=scope.device)
        stream = in_class_order(training, seed=trial.seed, at_once=SLICES[name].at_once)
        tests = ClassIncremental(stream, test, at_once=SLICES[name].at_once)
        if arm in OURS:
            yield from of_daemon(trial, fixture, stream, test, tests)
        else:
            yield from of_peer(trial, stream, tests, image_bits=SLICES[name].image_bits)


EYES_ELSEWHERE = EyesElsewhere()


@lru_cache(maxsize=1)  # from arm to arm
def halves(fixture: Fixture, chosen: Slice, *, quick: bool, device: str) -> tuple[Dataset, Dataset]:
    eye = EYE | {"device": device}
    if not chosen.halves:
        learned = (chosen.training or 0) if not quick else QUICK
        most = learned + ((chosen.test or 0) if not quick else QUICK)
        whole = numbered(seen(fixture, eye, data=chosen.data, train=True, most=most))
        places = np.arange(len(whole.labels))
        return whole.select(places[:learned]), whole.select(places[learned:])
    most_of_half = QUICK if quick else None
    training, test = (
        seen(fixture, eye, data=chosen.data, train=half, most=most_of_half) for half in (True, False)
    )
    both = numbered(Dataset(np.concatenate([training.images, test.images]), training.labels + test.labels))
    places = np.arange(len(both.labels))
    return both.select(places[: len(training.labels)]), both.select(places[len(training.labels) :])


def numbered(dataset: Dataset) -> Dataset:
    """With a number from 0 for each label."""
    numbers = np.unique([str(label) for label in dataset.labels], return_inverse=True)[1]
    return Dataset(dataset.images, numbers.tolist())
