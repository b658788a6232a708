"""Running statistics of feature vectors without outliers: one absurd value must not spoil a column for
months."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

ABSURD = 1e15
"""Larger values count as this: the sum of the squares of a batch is still a float32."""
REACH = 10.0
"""Deviations; values further out are taken for these."""
SETTLED = 100
"""Examples after which statistics take an outlier for `REACH` deviations. Before, it is uncertain."""
_EARLY_REACH = 20.0
_BEYOND_ALL = 1_000.0
"""How much larger than any value so far a column may be that never varied."""
OUTGROWN = 300.0
"""Deviations this many times larger than every value of the next batch are those of an absurd beginning."""


def without_outliers(inputs: Tensor, *, mean: Tensor, variance: Tensor, seen: int) -> Tensor:
    """Inputs [n, d] for statistics that have `seen` so many examples, of this `mean` and `variance` [d]."""
    on_cpu = inputs.device.type == mean.device.type == "cpu"
    if on_cpu and seen >= SETTLED and (within := _within_reach(inputs, mean, variance)) is not None:
        return within
    inputs = inputs.clamp(-ABSURD, ABSURD)
    if not seen:
        return _of_first_batch(inputs)
    limit = (REACH if seen >= SETTLED else _EARLY_REACH) * variance.sqrt()
    if not float(limit.min()) > 0:  # nor where one is NaN
        largest = float((mean.abs() + limit).max()) or 1.0
        limit = limit.where(limit > 0, _BEYOND_ALL * largest)
    return inputs.clamp(mean - limit, mean + limit)


def _within_reach(inputs: Tensor, mean: Tensor, variance: Tensor) -> Tensor | None:
    """What is usual, to the bit as below but by numpy, in a third of the time: asked with each batch. None
    where a column never varied."""
    limit = REACH * variance.sqrt().numpy()
    if not float(limit.min()) > 0:
        return None
    middle, found = mean.numpy(), np.maximum(inputs.numpy(), -ABSURD)
    np.minimum(found, ABSURD, out=found)
    np.maximum(found, middle - limit, out=found)
    return torch.from_numpy(np.minimum(found, middle + limit, out=found))


def _of_first_batch(inputs: Tensor) -> Tensor:
    """Nothing else is known: values are judged by the median of the batch, and of the distances from it."""
    if len(inputs) < 3:
        return inputs
    centre = inputs.median(0).values
    away = (inputs - centre).abs()
    limit = _EARLY_REACH * away.masked_fill(away == 0, torch.nan).nanmedian(0).values.nan_to_num(
        nan=torch.inf
    )
    return inputs.clamp(centre - limit, centre + limit)


def is_sound(*, mean: Tensor, variance: Tensor, seen: int) -> bool:
    """True where none of them can have been `outgrown`: settled and finite. (Cheaper to ask; False may be
    wrong where all are finite and their products are not.)"""
    return seen >= SETTLED and math.isfinite(float(torch.dot(mean, variance)))


def outgrown(inputs: Tensor, *, mean: Tensor, variance: Tensor, seen: int) -> Tensor:
    """Columns [d] bool whose statistics come of an absurd beginning, as a batch of inputs [n, d] shows: they
    begin again. Never in statistics that have settled, but where they are not finite."""
    broken = ~(mean.isfinite() & variance.isfinite())
    if not 0 < seen < SETTLED:
        return broken
    largest = inputs.abs().amax(0)
    return broken | ((largest > 0) & (variance.sqrt() + mean.abs() > OUTGROWN * largest))
