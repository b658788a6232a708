"""Codes of feature vectors as SIESTA and REMIND keep them: product quantisation; and none."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

CENTRES = 256
"""Of each part, as both papers have: a byte."""
ROUNDS = 10
"""Of k-means."""


class FeatureCodes(ABC):
    """Features [n, d] float32 to what is kept of each, `bits` of it, and back."""

    bits: int
    parameter_bits: int = 0

    def fit(self, features: Tensor) -> None:
        """Learns its tables, once, from the first features."""

    @abstractmethod
    def encode(self, features: Tensor) -> Tensor: ...

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor: ...


class Exact(FeatureCodes):
    """The features themselves, for `bits` that something else takes: the image that they are made from."""

    def __init__(self, *, bits: int) -> None:
        self.bits = bits

    def encode(self, features: Tensor) -> Tensor:
        return features

    def decode(self, codes: Tensor) -> Tensor:
        return codes


class ProductQuantiser(FeatureCodes):
    """Each of `parts` of the columns as the nearest of its own `CENTRES` (Jegou et al., 2011), which k-means
    finds. Columns are dealt out one after the other, so that each part has some of those that tell most."""

    def __init__(self, *, parts: int, seed: int) -> None:
        self.parts, self.bits = parts, 8 * parts
        self.generator = torch.Generator().manual_seed(seed)
        self.centres: list[Tensor] = []

    def fit(self, features: Tensor) -> None:
        self.centres = [self._k_means(features[:, part :: self.parts]) for part in range(self.parts)]
        self.parameter_bits = 32 * sum(each.numel() for each in self.centres)

    def encode(self, features: Tensor) -> Tensor:
        """[n, parts] uint8."""
        nearest = [
            _nearest(features[:, part :: self.parts], centres) for part, centres in enumerate(self.centres)
        ]
        return torch.stack(nearest, 1).to(torch.uint8)

    def decode(self, codes: Tensor) -> Tensor:
        made = torch.empty(len(codes), sum(each.shape[1] for each in self.centres))
        for part, centres in enumerate(self.centres):
            made[:, part :: self.parts] = centres[codes[:, part].long()]
        return made

    def _k_means(self, points: Tensor) -> Tensor:
        """A centre that nothing is near stays where it was."""
        drawn = torch.randperm(len(points), generator=self.generator)[:CENTRES]
        centres = points[drawn].clone()
        for _ in range(ROUNDS):
            own = _nearest(points, centres)
            counts = torch.bincount(own, minlength=len(centres))[:, None]
            sums = torch.zeros_like(centres).index_add_(0, own, points)
            centres = torch.where(counts > 0, sums / counts.clamp_min(1), centres)
        return centres


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    distances = centres.square().sum(1) - 2 * points @ centres.T
    return distances.argmin(1)
