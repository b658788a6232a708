"""Streaming linear discriminant analysis on raw inputs, in double precision."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.bench.peers.answering import Scoring
from streamlearner.bench.peers.simple import ByClass, grown

MOST_VALUES = 1_024
"""Larger images are averaged over blocks of 2 x 2, 4 x 4 and so on: a solution takes the cube of it."""
RIDGE = 0.3
"""Added to each value's variance, as a fraction of it."""
RENEWED_AFTER = 0.01
"""The scatter is solved anew when so much more was seen; class means count at once."""


class LinearDiscriminant(Scoring):
    """Normal distributions with one covariance, that of all within their classes, and the frequencies seen
    (Deep SLDA, Hayes and Kanan, 2020, without its features)."""

    def __init__(self, *, ridge: float = RIDGE) -> None:
        self.ridge = ridge
        self.classes = ByClass()
        self.sums = self.counts = torch.zeros(0)
        self.products = torch.zeros(0)
        self.factor, self.solved_at = torch.zeros(0), 0.0

    def scores(self, inputs: Tensor) -> Tensor:
        if not len(self.sums):
            return torch.zeros(len(inputs), 0)
        total, means = self.counts.sum(), self.sums / self.counts[:, None]
        if total > self.solved_at * (1 + RENEWED_AFTER):
            self.factor, self.solved_at = self._solved(means, total), float(total)
        weights = torch.cholesky_solve(means.T, self.factor)
        bias = (self.counts / total).log() - 0.5 * (means.T * weights).sum(0)
        return self.classes.by_label(self._values(inputs) @ weights + bias)

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        values, numbers = self._values(inputs), self.classes.numbers(labels)
        if not len(self.products):
            self.products = torch.zeros(values.shape[1], values.shape[1], dtype=torch.float64)
        self.sums, self.counts = grown(self.sums, self.counts, len(self.classes.labels), values.shape[1])
        self.sums.index_add_(0, numbers, values)
        self.counts.index_add_(0, numbers, torch.ones(len(values), dtype=torch.float64))
        self.products.addmm_(values.T, values)

    def _solved(self, means: Tensor, total: Tensor) -> Tensor:
        """The Cholesky factor of the covariance."""
        within = (self.products - self.sums.T @ means) / total
        centre = self.sums.sum(0) / total
        variance = (self.products.diagonal() / total - centre.square()).clamp_min(0)
        steady = variance <= 1e-9 * self.products.diagonal() / total
        variance = torch.where(steady, variance.max().clamp_min(1e-12), variance)
        found: Tensor = torch.linalg.cholesky(within + torch.diag(self.ridge * variance))
        return found

    def _values(self, inputs: Tensor) -> Tensor:
        """[n, d] float64; of images in [0, 1]."""
        if inputs.ndim == 2:
            return inputs.double()
        block = 2 ** max(0, math.ceil(math.log(inputs[0].numel() / MOST_VALUES, 4)))
        return F.avg_pool2d(inputs / 255.0, block, ceil_mode=True).flatten(1).double()

    @property
    def parameter_bits(self) -> int:  # type: ignore[override]
        return 64 * (self.sums.numel() + self.counts.numel() + self.products.numel())
