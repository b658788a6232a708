"""The arms of the distortion experiment: an association, the bits of its codes, a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch

from streamlearner.associations.contract import Association
from streamlearner.associations.gumbel import GumbelAssociation
from streamlearner.associations.karhunen_loeve import KarhunenLoeveAssociation
from streamlearner.associations.transform import TransformAssociation
from streamlearner.associations.trellis import TrellisAssociation
from streamlearner.bench.material.continuous_autoencoder import ContinuousAutoencoder
from streamlearner.bench.material.distortion_tables import (
    CATEGORICAL,
    best_by_bits,
    code_bits,
    continuous_by_bits,
)

Make: TypeAlias = Callable[[tuple[int, ...], int, torch.Generator], Association]
"""(input shape, bits of a code, generator) to an association."""

HIDDEN, PASSES = 1_000, 5
"""Of `ours`: hidden units of the correction, and passes over the 60,000 images; a minute a point."""
SUBSET = 20_000
"""Training images where not all are learned: by then the tables have converged, the continuous autoencoder
nearly."""


@dataclass(frozen=True, slots=True)
class CodingArm:
    """`examples` (None: all) of `data` are learned `passes` times in batches of `batch`, for codes of each of
    `budgets_bits`; `paper`: the paper's distortion by bits; `beside_paper_curve`: compared with the paper's
    curve at each."""

    make: Make
    budgets_bits: Sequence[int]
    data: str = "MNIST"
    passes: int = 1
    batch: int = 100
    examples: int | None = None
    paper: Mapping[int, float] = field(default_factory=dict)
    beside_paper_curve: bool = False


def karhunen_loeve(shape: tuple[int, ...], bits: int, generator: torch.Generator) -> Association:
    """`association.name: karhunen_loeve`. With `growth` 16 the components are fitted for the last time after
    5,120 examples, so that the correction learns for one set of components."""
    return KarhunenLoeveAssociation(
        input_shape=shape, code_bits=bits, generator=generator, hidden=HIDDEN, growth=16.0
    )


def transform(shape: tuple[int, ...], bits: int, generator: torch.Generator) -> Association:
    return TransformAssociation(input_shape=shape, code_bits=bits)


def thumbnail(shape: tuple[int, ...], bits: int, generator: torch.Generator) -> Association:
    most = 1 if bits < 200 else 4
    return TransformAssociation(input_shape=shape, code_bits=bits, thumbnail_pixels=2, most_symbol_bits=most)


def trellis(shape: tuple[int, ...], bits: int, generator: torch.Generator) -> Association:
    return TrellisAssociation(input_shape=shape, code_bits=bits)


def gumbel(shape: tuple[int, ...], bits: int, generator: torch.Generator) -> Association:
    """Variables and levels of Table 5 at these bits, or else two levels."""
    variables, levels = SIZES.get(bits, (bits, 2))
    return GumbelAssociation(
        input_shape=shape,
        variables=variables,
        levels=levels,
        generator=generator,
        learning_rate=LEARNING_RATE,
    )


def continuous(shape: tuple[int, ...], bits: int, generator: torch.Generator) -> Association:
    return ContinuousAutoencoder(input_shape=shape, latent_values=bits // 32, generator=generator)


SIZES = {code_bits(*size): size for size in ((6, 2), (8, 6), (38, 2), (10, 20), (62, 2), (168, 2))}
"""Sizes (c, l) of Table 5 by bits: those whose convolutions (c*l/4 filters) a core trains in two minutes."""
FIGURES_OF_SIZES = {bits: CATEGORICAL[size] for bits, size in SIZES.items()}
LEARNING_RATE = 1e-3
"""Distortion on 5,000 held-out training images after 20,000, with 3e-3, 1e-3 and 3e-4: 8 variables of six
levels 0.085 (with another seed 0.154), 0.091, 0.150; 38 of two 0.154, 0.073, 0.091; 62 of two 0.148, 0.061,
0.072. About 0.15 is the mean image alone: too large a step falls back to it, too few steps do not leave it.
Measured before the decoder started at the mean."""
CIFAR_BITS = (120, 240, 600)
POINTS = (6, 24, 38, 62, 100, 168, 192, 250, 626, 784)

ARMS: Mapping[str, CodingArm] = {
    "ours": CodingArm(karhunen_loeve, POINTS, passes=PASSES, paper=best_by_bits(), beside_paper_curve=True),
    "trellis": CodingArm(trellis, POINTS, examples=SUBSET),
    "transform": CodingArm(transform, POINTS, examples=SUBSET),
    "thumbnail": CodingArm(thumbnail, (62, 100, 168, 626), examples=SUBSET),
    "paper_configuration": CodingArm(gumbel, tuple(SIZES), batch=10, paper=FIGURES_OF_SIZES),
    "continuous": CodingArm(
        continuous,
        tuple(continuous_by_bits()),
        batch=10,
        examples=SUBSET,
        paper=continuous_by_bits(),
    ),
    "ours_cifar100": CodingArm(trellis, CIFAR_BITS, data="CIFAR100"),
    "transform_cifar100": CodingArm(transform, CIFAR_BITS, data="CIFAR100"),
    "gumbel_cifar100": CodingArm(gumbel, CIFAR_BITS[:2], data="CIFAR100", batch=10, examples=5_000),
}
JPEGS: Mapping[str, tuple[str, int]] = {
    **{f"jpeg_quality_{quality}": ("MNIST", quality) for quality in (1, 25, 50, 75, 100)},
    **{f"jpeg_quality_{quality}_cifar100": ("CIFAR100", quality) for quality in (1, 10)},
}
"""Data set and quality. JPEG's size cannot be chosen, so these have no budget. On CIFAR-100 qualities 1 and
10 take 240 and 600 bits; no quality takes as little as 120."""
