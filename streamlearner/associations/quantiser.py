"""Scalar quantisers of coefficients: allocation of bits, and levels."""

from __future__ import annotations

import math
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Array: TypeAlias = NDArray[np.float64]

PRIOR_COUNT = 5.0
LEAST_IN_CELL = 5  # examples; the mean of fewer is a worse level than that of the parametric quantiser


def fitted(
    mean: Tensor, variance: Tensor, peaked: Tensor, *, code_bits: int, most_bits: int
) -> tuple[Tensor, Tensor]:
    """The coefficients that get a symbol, int64 [c], and their levels, float32 [c, 2 ** most bits given].

    `mean`, `variance` float32 [k] and `peaked` bool [k] (True: Laplacian, else Gaussian) describe all k
    coefficients. Their bits sum to at most `code_bits`; none has more than `most_bits` (1 to 6). Levels
    ascend, and are infinite where a symbol has fewer.
    """
    shape = peaked.long()
    bits = _allocate(variance, shape, code_bits=code_bits, most_bits=most_bits)
    index = bits.nonzero().flatten()
    return index, _parametric_table(mean[index], variance[index].sqrt(), shape[index], bits[index])


def iterate_lloyd(
    table: Tensor, index: Tensor, *, former: Tensor, former_index: Tensor, count: Tensor, total: Tensor
) -> None:
    """One Lloyd iteration, in place: where a coefficient keeps its number of levels and each of its cells
    holds enough examples, its row of `table` becomes the means of the cells.

    `table` [c, levels] is of coefficients `index` [c]; `former` [d, levels] of `former_index` [d] defined the
    cells, which hold `count` examples with the sum `total`, both [d, levels].
    """
    means = (total / count).nan_to_num(nan=math.inf).sort(1).values
    least = count.masked_fill(former.isinf(), math.inf).amin(1)
    levels, former_levels = levels_of(table), levels_of(former)
    rows = {k: row for row, k in enumerate(former_index.tolist())}
    for row, k in enumerate(index.tolist()):
        old = rows.get(k)
        if old is not None and levels[row] == former_levels[old] and least[old] >= LEAST_IN_CELL:
            table[row, : levels[row]] = means[old, : levels[row]]


def levels_towards_means(table: Tensor, count: Tensor, total: Tensor) -> Tensor:
    """`table` [c, levels] with its levels nearer to the means of their cells, which hold `count` values with
    the sum `total`; a level's present position counts for `PRIOR_COUNT` values."""
    present = table.where(table.isfinite(), 0.0)
    return table + (total - count * present) / (count + PRIOR_COUNT)


def levels_of(table: Tensor) -> tuple[int, ...]:
    """The number of levels of each symbol of a `table` [c, levels]."""
    return tuple(table.isfinite().sum(1).tolist())


def cells_of(values: Tensor, thresholds: Tensor) -> Tensor:
    """How many of its `thresholds` [c, t], ascending, each of `values` [n, c] exceeds: cells int64 [n, c]. By
    bisection: comparing each value with each threshold takes twice the time of a batch, and seven times that
    of many long codes."""
    return torch.searchsorted(thresholds, values.T.contiguous()).T.contiguous()


def _allocate(variance: Tensor, shape: Tensor, *, code_bits: int, most_bits: int) -> Tensor:
    """Bits int64 [k] of each coefficient, with a sum of at most `code_bits`, given one by one where
    distortion falls most.

    The gain of a bit is the variance times the fall of a unit quantiser's distortion, of this `shape` (0
    Gaussian, 1 Laplacian). As gains fall with each bit, the `code_bits` largest are the greedy and the
    optimal allocation. A coefficient of variance 0 gets none; where all are, the first gets one bit, so that
    there is a symbol.
    """
    distortion = unit_quantisers()[1].to(variance.device)[:, : most_bits + 1]
    gains = -distortion.diff(dim=1)[shape] * variance[:, None]
    chosen = gains.flatten().argsort(descending=True, stable=True)[:code_bits]
    chosen = chosen[gains.flatten()[chosen] > 1e-9]
    bits = torch.bincount(chosen // most_bits, minlength=len(variance))
    bits[0] += bits.sum() == 0
    return bits


def _parametric_table(mean: Tensor, deviation: Tensor, shape: Tensor, bits: Tensor) -> Tensor:
    """Levels [c, 2 ** most bits] of Lloyd-Max quantisers, ascending, infinite where a symbol has fewer."""
    unit = unit_quantisers()[0].to(mean.device)[shape, bits, : 2 ** int(bits.max())]
    spread = deviation.clamp_min(1e-4)[:, None]  # keeps levels apart where the variance is 0
    return mean[:, None] + spread * unit


@cache
def unit_quantisers() -> tuple[Tensor, Tensor]:
    """Lloyd-Max levels [2, 7, 64] and distortions [2, 7] of unit Gaussian and Laplacian for 0 to 6 bits."""
    levels, distortion = torch.full((2, 7, 64), math.inf), torch.ones(2, 7)
    levels[:, 0, 0] = 0.0
    value = torch.linspace(-10.0, 10.0, 8001, dtype=torch.float64)
    gaussian, laplacian = torch.exp(-value.square() / 2), torch.exp(-math.sqrt(2.0) * value.abs())
    for shape, density in enumerate((gaussian, laplacian)):
        for bits in range(1, 7):
            level, error = _lloyd(value, density / density.sum(), levels=2**bits)
            levels[shape, bits, : 2**bits] = level.float()
            distortion[shape, bits] = error
    return levels, distortion


def _lloyd(value: Tensor, density: Tensor, *, levels: int) -> tuple[Tensor, float]:
    """Lloyd-Max levels [levels] of a `density` [g] at `value` [g], and their mean squared error."""
    # starts from the companding that is optimal for many levels (Panter and Dite, 1951)
    spread = density.pow(1 / 3).cumsum(0)
    wanted = (torch.arange(levels, dtype=torch.float64) + 0.5) / levels * spread[-1]
    level = value[torch.searchsorted(spread, wanted)]
    sums = (functional.pad(x.cumsum(0), (1, 0)) for x in (density, density * value))
    level = _iterate(value.numpy(), *(x.numpy() for x in sums), level=level.numpy())
    nearest = level[torch.searchsorted((level[1:] + level[:-1]) / 2, value)]
    return level, float(((value - nearest).square() * density).sum())


def _iterate(value: Array, mass: Array, moment: Array, *, level: Array) -> Tensor:
    """Up to 300 of Lloyd's iterations; `mass` and `moment` [g + 1] are sums up to each value. In NumPy, and
    only until nothing changes: a restart waits for them, and torch takes 0.12 s for so many small steps."""
    cut, former = np.full(len(level) + 1, len(value)), None
    cut[0] = 0
    for _ in range(300):
        cut[1:-1] = value.searchsorted((level[1:] + level[:-1]) / 2)
        if former is not None and np.array_equal(cut, former):
            break
        former = cut.copy()
        level = np.diff(moment[cut]) / np.diff(mass[cut])
    return torch.from_numpy(level)
