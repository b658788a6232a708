"""Linear discriminant analysis on counts, sums and scatter, with a shrinkage that needs no setting."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Discriminant(NamedTuple):
    """Scores of classes are `numbers @ weight.T + bias`: log-probabilities but for a constant.

    `weight` [classes, directions] and `bias` [classes] float64; a class without an example has -inf.
    """

    weight: Tensor
    bias: Tensor

    def scores(self, numbers: Tensor) -> Tensor:
        """[n, classes] for `numbers` [n, directions] of any type."""
        return numbers.to(self.weight) @ self.weight.T + self.bias


def discriminant(counts: Tensor, sums: Tensor, scatter: Tensor) -> Discriminant:
    """Classes share one covariance: streaming linear discriminant analysis (Pang et al., 2005; Deep SLDA,
    Hayes and Kanan, 2020, equations 1 to 4).

    `counts` [classes], `sums` [classes, directions] by class, `scatter` [directions, directions]: the sum of
    outer products over all examples. Any type; worked out in float64. The covariance within classes is taken
    in units of each direction's own deviation and shrunk towards the identity by as much as the number of
    examples asks for (`shrinkage`); with one example for each class it is the nearest class mean. Differs
    from Deep SLDA: no fixed shrinkage, and a class counts by how often it was seen.
    """
    counts, sums, scatter = counts.double(), sums.double(), scatter.double()
    seen = counts > 0
    total, freedom = counts.sum().clamp_min(1), counts.sum() - seen.sum()
    means = sums / counts.clamp_min(1)[:, None]
    within = (scatter - sums.T @ means) / freedom.clamp_min(1)
    middle = sums.sum(0) / total
    spread = _spread(within, scatter.diagonal() / total - middle.square())
    correlation = within / torch.outer(spread, spread)
    centred = (means - middle) / spread
    solved = torch.linalg.solve(shrunk(correlation, float(freedom)), centred.T).T
    weight = solved / spread
    prior = torch.log((counts + 1) / (total + seen.sum()))
    bias = prior - 0.5 * (solved * centred).sum(1) - weight @ middle
    return Discriminant(weight, bias.masked_fill(~seen, -torch.inf))


def _spread(within: Tensor, overall: Tensor) -> Tensor:
    """The deviation of each direction within classes; overall, where within it is nothing; else 1."""
    found = torch.where(within.diagonal() > 1e-9, within.diagonal(), overall)
    return torch.where(found > 1e-9, found, 1.0).sqrt()


def shrunk(covariance: Tensor, freedom: float) -> Tensor:
    """The covariance [d, d], moved towards a multiple of the identity by `shrinkage`, so that it can be
    inverted."""
    d = len(covariance)
    mean = covariance.trace() / max(d, 1)
    identity = torch.eye(d, dtype=covariance.dtype)
    if not freedom or mean <= 0:
        return identity
    rate = shrinkage(covariance, freedom)
    return (1 - rate) * covariance + (rate * mean + 1e-6) * identity


def shrinkage(covariance: Tensor, freedom: float) -> float:
    """How far, from 0 to 1: the oracle approximating shrinkage of Chen et al. (2010), equation 23, for a
    covariance [d, d] estimated with `freedom` degrees of freedom."""
    d = len(covariance)
    square, trace = float(covariance.square().sum()), float(covariance.trace()) ** 2
    above = (1 - 2 / d) * square + trace
    below = (freedom + 1 - 2 / d) * (square - trace / d)
    return 1.0 if below <= 0 else min(1.0, max(0.0, above / below))
