"""What stands for a number that is missing in a feature vector: the running mean of its column."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from streamlearner.networks.outliers import ABSURD, OUTGROWN, REACH, SETTLED


class MeanImputation(nn.Module):
    """Means of the columns of feature vectors [n, d], each over the numbers that were not missing (NaN).

    Single absurd values move a mean no further than ten deviations of its column, and the first ones are
    judged by the median of their batch, as in `outliers`. `values` were missing numbers before they became
    NaN: whoever is to read inputs elsewhere has to know them.
    """

    count: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, *, features: int, values: Collection[float] = ()) -> None:
        super().__init__()
        self.values = tuple(sorted(values))
        self.register_buffer("count", torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.zeros(features))

    @torch.no_grad()
    def update(self, inputs: Tensor) -> None:
        """Adds the numbers of inputs [n, d] that are there (pooled as in Chan et al., 1983)."""
        inputs = inputs.clamp(-ABSURD, ABSURD)
        there = inputs.isfinite()
        self._begin_again(inputs.abs().nan_to_num(nan=0.0).amax(0))
        n = there.sum(0)
        limit = torch.where(self.count >= SETTLED, REACH, 2 * REACH) * self.variance.sqrt()
        centre = torch.where(limit > 0, self.mean, inputs.nanmedian(0).values)
        limit = torch.where(limit > 0, limit, 2 * REACH * _spread(inputs, centre))
        inputs = torch.where(there, inputs.clamp(centre - limit, centre + limit), 0.0)
        mean = inputs.sum(0) / n.clamp_min(1)
        variance = ((inputs - mean).square() * there).sum(0) / n.clamp_min(1)
        weight = n / (self.count + n).clamp_min(1)
        shift = mean - self.mean
        self.variance.add_(weight * (variance - self.variance + (1 - weight) * shift.square()))
        self.mean.add_(weight * shift)
        self.count.add_(n)

    def _begin_again(self, largest: Tensor) -> None:
        """Columns that began with an absurd value, as the largest of the next ones shows."""
        spread = self.variance.sqrt() + self.mean.abs()
        outgrown = (self.count < SETTLED) & (largest > 0) & (spread > OUTGROWN * largest)
        for statistic in (self.count, self.mean, self.variance):
            statistic.masked_fill_(outgrown, 0.0)

    @torch.no_grad()
    def fill(self, inputs: Tensor) -> tuple[Tensor, int]:
        """`inputs` [n, d] without what is missing, and how many numbers that were. A column of which nothing
        is known yet is filled by the mean of the numbers beside it, or 0."""
        missing = inputs.isnan()
        if not (filled := int(missing.sum())):
            return inputs, 0
        here = inputs.nanmean(0).nan_to_num(nan=0.0)
        return torch.where(missing, torch.where(self.count > 0, self.mean, here), inputs), filled


def _spread(inputs: Tensor, centre: Tensor) -> Tensor:
    """The median distance from the centre of each column, of the numbers that are off it; beyond any number
    where none is."""
    away = (inputs - centre).abs()
    found = away.masked_fill(away == 0, torch.nan).nanmedian(0).values
    return found.nan_to_num(nan=ABSURD)
