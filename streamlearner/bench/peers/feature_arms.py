"""Peers on feature vectors, at a budget of bits or without one, by arm."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor

from streamlearner.bench.material.feature_codes import Exact, FeatureCodes, ProductQuantiser
from streamlearner.bench.peers import capymoa
from streamlearner.bench.peers.answering import Scoring
from streamlearner.bench.peers.discriminant import LinearDiscriminant
from streamlearner.bench.peers.joint import Joint
from streamlearner.bench.peers.latent_replay import LatentReplay, Remind, Siesta
from streamlearner.bench.peers.simple import NearestMean, Neighbours, item_bits

PARTS = 32
"""Of a product-quantised code: 32 bytes, as REMIND has for each place of its maps."""
RATES: dict[type[LatentReplay], float] = {Siesta: 0.05, Remind: 0.01}
"""Step size of what is above the cut, the best of a few on held-out images at the bits of ten."""
JOINT_EPOCHS = 10
RIDGE = 0.01


class Given(NamedTuple):
    """What an arm is made for: its bits (0: any), a seed, the features of the whole stream [n, d], the number
    of classes, how many examples come first, and the bits of an image."""

    budget_bits: int
    seed: int
    features: Tensor
    classes: int
    base: int
    image_bits: int


class Leading(Scoring):
    """Another one that sees only the first so many columns."""

    def __init__(self, inner: Scoring, *, columns: int, parameter_bits: int) -> None:
        self.inner, self.columns, self.parameter_bits = inner, columns, parameter_bits

    def scores(self, inputs: Tensor) -> Tensor:
        return self.inner.scores(inputs[:, : self.columns])

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        self.inner.learn(inputs[:, : self.columns], labels)


def float32_bits_of_discriminant(*, columns: int, classes: int) -> int:
    """32 for each class's count and mean, and for half of the covariance."""
    return 32 * (classes * (columns + 1) + columns * (columns + 1) // 2)


def float32_bits_of_means(*, columns: int, classes: int) -> int:
    """32 for each class's count and mean, and for each column's scale."""
    return 32 * (classes * (columns + 1) + columns)


def _leading(make: Callable[[int], Scoring], bits: Callable[..., int], given: Given) -> Scoring:
    """With as many columns as the budget holds."""
    fits = (
        columns
        for columns in range(given.features.shape[1], 0, -1)
        if bits(columns=columns, classes=given.classes) <= given.budget_bits
    )
    columns = next(fits)
    return Leading(
        make(columns), columns=columns, parameter_bits=bits(columns=columns, classes=given.classes)
    )


def _capymoa(strategy: capymoa.Strategy, given: Given) -> Scoring:
    return _leading(
        lambda columns: capymoa.CapyMoa(strategy=strategy, columns=columns, most_classes=given.classes),
        partial(capymoa.bits_of, strategy),
        given,
    )


def _rehearsal(kind: type[LatentReplay], given: Given, *, codes: FeatureCodes | None = None) -> Scoring:
    return kind(
        codes=codes or ProductQuantiser(parts=PARTS, seed=given.seed),
        budget_bits=given.budget_bits,
        seed=given.seed,
        base=given.base,
        rate=RATES[kind],
        most_classes=given.classes,
    )


BOUNDED: dict[str, Callable[[Given], Scoring]] = {
    "slda_float32": lambda given: _leading(
        lambda columns: LinearDiscriminant(ridge=RIDGE), float32_bits_of_discriminant, given
    ),
    "ncm_float32": lambda given: _leading(lambda columns: NearestMean(), float32_bits_of_means, given),
    "capymoa_slda": partial(_capymoa, "SLDA"),
    "capymoa_ncm": partial(_capymoa, "NCM"),
    "siesta_like": partial(_rehearsal, Siesta),
    "remind_like": partial(_rehearsal, Remind),
    "raw_images": lambda given: _rehearsal(Remind, given, codes=Exact(bits=given.image_bits)),
}
UNBOUNDED: dict[str, Callable[[Given], Scoring]] = {
    "streaming_lda": lambda given: LinearDiscriminant(ridge=RIDGE),
    "class_means": lambda given: NearestMean(),
    "all_neighbours": lambda given: Neighbours(
        budget_bits=len(given.features) * item_bits(given.features), seed=0
    ),
    "joint": lambda given: Joint(seed=given.seed, shown=JOINT_EPOCHS * len(given.features)),
}
"""All that they like: budget 0."""
NEED_CAPYMOA = ("capymoa_slda", "capymoa_ncm")
AT_ONCE = ("joint",)
"""Learn the stream as one batch, in any order."""
