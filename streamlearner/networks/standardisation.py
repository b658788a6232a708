"""The standardisation of feature vectors by running statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamlearner.networks.outliers import REACH, outgrown, without_outliers


class Standardisation(nn.Module):
    """Standardises feature vectors to mean 0 and variance 1, by the running mean and variance of all inputs
    so far.

    Values beyond ten standard deviations are clamped, in the running statistics, too (`outliers`). So no
    float32 value dominates or shrinks all others, even the first of all. (A real change of scale still gets
    through, by ten standard deviations at a time.)
    """

    count: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, *, features: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))

    @torch.no_grad()
    def update(self, inputs: Tensor) -> None:
        """Adds inputs [n, d] to the running mean and variance (pooled as in Chan et al., 1983)."""
        seen, inputs = int(self.count), inputs.to(self.mean.device)
        anew = outgrown(inputs, mean=self.mean, variance=self.variance, seen=seen)
        if bool(anew.any()):
            first = without_outliers(inputs, mean=self.mean, variance=self.variance, seen=0)
            self.mean.copy_(torch.where(anew, first.mean(0), self.mean))
            self.variance.copy_(torch.where(anew, first.var(0, correction=0), self.variance))
        inputs = without_outliers(inputs, mean=self.mean, variance=self.variance, seen=seen)
        weight = len(inputs) / (self.count + len(inputs))
        shift = inputs.mean(0) - self.mean
        spread = inputs.var(0, correction=0) + (1 - weight) * shift.square()
        self.variance.lerp_(spread, weight)
        self.mean.add_(weight * shift)
        self.count += len(inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        scale = self.variance.sqrt().clamp_min(1e-6 + 1e-6 * self.mean.abs().max())
        return ((inputs - self.mean) / scale).clamp(-REACH, REACH)
