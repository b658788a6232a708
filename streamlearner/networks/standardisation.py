"""The standardisation of feature vectors by running statistics."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from streamlearner.networks.outliers import REACH, is_sound, outgrown, without_outliers


def share_of(new: int, *, seen: int) -> tuple[float, float]:
    """The weight of so many new inputs beside those seen, and of the latter: in float32, as tensors have it
    (a number over a tensor is its reciprocal times the number), without a tensor's time."""
    weight = np.float32(new) * (np.float32(1) / (np.float32(seen) + np.float32(new)))
    return float(weight), float(np.float32(1) - weight)


LEAST_SCALE = np.float32(1e-6)
"""Of the largest mean, and at all: what varies less is taken for constant."""


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
        mean, variance, count = self.mean, self.variance, self.count
        if not is_sound(mean=mean, variance=variance, seen=seen):
            self._begin_again(inputs, seen)
        inputs = without_outliers(inputs, mean=mean, variance=variance, seen=seen)
        weight, rest = share_of(len(inputs), seen=seen)
        shift = inputs.mean(0) - mean
        spread = inputs.var(0, correction=0) + shift.square().mul_(rest)
        variance.lerp_(spread, weight)
        mean.add_(shift.mul_(weight))
        count.add_(len(inputs))

    def _begin_again(self, inputs: Tensor, seen: int) -> None:
        """Where the statistics of a column come of an absurd beginning."""
        anew = outgrown(inputs, mean=self.mean, variance=self.variance, seen=seen)
        if bool(anew.any()):
            first = without_outliers(inputs, mean=self.mean, variance=self.variance, seen=0)
            self.mean.copy_(torch.where(anew, first.mean(0), self.mean))
            self.variance.copy_(torch.where(anew, first.var(0, correction=0), self.variance))

    def by_numpy(self, inputs: Tensor) -> Tensor:
        """As `forward`, to the bit and on the CPU, with numpy for what is small: it takes half of the time.
        (What `forward` does can be exported.)"""
        mean, deviation = self.mean.numpy(), self.variance.sqrt().numpy()  # numpy's rounds otherwise
        least = LEAST_SCALE + LEAST_SCALE * np.abs(mean).max()
        scaled = inputs.numpy() - mean
        scaled /= np.maximum(deviation, least)
        np.maximum(scaled, -REACH, out=scaled)
        return torch.from_numpy(np.minimum(scaled, REACH, out=scaled))

    def forward(self, inputs: Tensor) -> Tensor:
        mean = self.mean
        scale = self.variance.sqrt().clamp_min(1e-6 + 1e-6 * mean.abs().max())
        return ((inputs - mean) / scale).clamp_(-REACH, REACH)
