"""Directions: a raw input to whole numbers, by a rule that never changes once it has met an input."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.statistics.class_sums import HIGHEST

OF_THE_INPUT = 0.4
"""How many of the directions are the input's own; the others are random features. With 160 directions, 10,000
digits of MNIST: 84.0 % right, with random features alone 82.7 %; 4,000 images of CIFAR-10: 37.0 and 35.6 %,
and 200 digits of 8 x 8: 92.5 % both."""
FEW = 0.4
"""Columns of a vector that take no more of the directions than this are the first of them."""
PROJECTED = 256
"""Values of an image that random features look at: larger ones are averaged over blocks first. (Right along
the stream before each label was learned, in %, with 1,024, 400 and 256: 4,000 digits of MNIST class by class
84.7, 86.1, 88.4; 3,000 inverted 83.9, 84.7, 86.1; on a canvas of 64 x 64 85.0, 86.6, 85.9; 2,000 of CIFAR-10
32.0, 31.8, 30.1.)"""
STEPS_PER_DEVIATION = 8
"""How finely a random feature is quantised: in eighths of its deviation."""
LEVELS = 15
"""Steps from black to white."""


class Directions(nn.Module):
    """Raw inputs of one shape, uint8 [n, C, H, W] or float32 [n, d], to int8 [n, count] within HIGHEST.

    The first so many numbers, for any count up to `most`, hold both kinds in equal proportions, but that few
    columns come before all random features:

    - the input itself: an image averaged over blocks, or the columns of a vector;
    - random features, max(0, x @ R + b), whose R and b are drawn from `seed` and cost no bits (RanDumb,
      Prabhu et al., 2024). An image is first taken in units of its own mean and deviation.

    A vector's column is measured from its median in the first batch, rounded, in units of how far it first
    leaves that, on a scale that is linear near 0 and logarithmic far from it (asinh), so that wild
    scales and absurd values do no harm. `centre` and `unit` [d] float32 are that rule; images need none.
    """

    centre: Tensor
    unit: Tensor

    def __init__(self, *, input_shape: tuple[int, ...], most: int, seed: int) -> None:
        super().__init__()
        self.input_shape = input_shape
        values, self._pooling = _values_and_pooling(input_shape, max(1, round(OF_THE_INPUT * most)))
        own = min(values, most)
        chosen = torch.Generator().manual_seed(seed)
        looked_at = _looked_at(input_shape)
        self._own = torch.randperm(values, generator=chosen)[:own]
        drawn = torch.randn(looked_at, most - own, generator=chosen, dtype=torch.float64)
        self._matrix = drawn / math.sqrt(looked_at)
        self._offset = 0.3 * torch.randn(most - own, generator=chosen, dtype=torch.float64)
        # few columns come first: with many classes little else may be left
        few = len(input_shape) == 1 and own <= FEW * most
        self._order = torch.arange(most) if few else _interleaved(own, most - own)
        calibrated = input_shape[0] if len(input_shape) == 1 else 0
        self.register_buffer("centre", torch.full((calibrated,), torch.nan))
        self.register_buffer("unit", torch.full((calibrated,), torch.nan))

    @property
    def stored_bits(self) -> int:
        return 32 * (self.centre.numel() + self.unit.numel())

    def calibrate(self, inputs: Tensor) -> None:
        """Sets the rule by the first inputs, for columns that have none yet. Call it before each batch."""
        if not len(self.centre):
            return
        finite = _finite(inputs)
        self.centre = torch.where(self.centre.isnan(), _rounded(finite.median(0).values), self.centre)
        away = (finite - self.centre).abs()
        away = away.masked_fill(away == 0, torch.nan)
        self.unit = torch.where(self.unit.isnan(), away.nanmedian(0).values, self.unit)

    @torch.no_grad()
    def forward(self, inputs: Tensor, *, count: int) -> Tensor:
        """The first `count` numbers of raw inputs: int8 [n, count]."""
        own, seen = self._of_vectors(inputs) if inputs.ndim == 2 else self._of_images(inputs)
        order = self._order[:count]
        is_own = order < len(self._own)
        random = count - int(is_own.sum())  # the first ones of each kind
        features = (seen @ self._matrix[:, :random] + self._offset[:random]).clamp_min_(0)
        numbers = torch.empty(len(inputs), count, dtype=torch.float64)
        numbers[:, is_own] = own[:, self._own[: count - random]]
        numbers[:, ~is_own] = features * STEPS_PER_DEVIATION
        return numbers.round_().clamp_(-HIGHEST, HIGHEST).to(torch.int8)

    def __deepcopy__(self, memo: dict[int, Any]) -> Directions:
        """What was drawn is shared: nothing changes it."""
        twin = copy.copy(self)
        twin._buffers = {name: buffer.clone() for name, buffer in self.named_buffers(recurse=False)}
        memo[id(self)] = twin
        return twin

    def _of_vectors(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        unit = torch.where(self.unit.isnan(), 1.0, self.unit).double()
        centre = torch.where(self.centre.isnan(), 0.0, self.centre).double()
        scaled = torch.asinh((_finite(inputs).double() - centre) / unit)
        return scaled * STEPS_PER_DEVIATION, scaled

    def _of_images(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        light = _averaged(inputs.double(), _side_within(self.input_shape, PROJECTED)).flatten(1) / 255.0
        spread, mean = torch.std_mean(light, 1, keepdim=True, correction=0)
        return light @ self._pooling * LEVELS, (light - mean) / (spread + 1e-3)


def _values_and_pooling(shape: tuple[int, ...], most: int) -> tuple[int, Tensor]:
    """How many values of its own an input gives, and the matrix [looked at, values] by which an image, no
    larger than random features look at, is averaged to them."""
    if len(shape) == 1:
        return shape[0], torch.empty(0)
    seen, side = _side_within(shape, PROJECTED), _side_within(shape, most)
    each = torch.eye(shape[0] * seen[0] * seen[1], dtype=torch.float64).view(-1, shape[0], *seen)
    pooling = _averaged(each, side).flatten(1)
    return pooling.shape[1], pooling


def _looked_at(shape: tuple[int, ...]) -> int:
    height, width = _side_within(shape, PROJECTED) if len(shape) == 3 else (1, 1)
    return shape[0] * height * width


def _side_within(shape: tuple[int, ...], most: int) -> tuple[int, int]:
    """Height and width, at most the image's, so that all channels together have at most `most` values."""
    channels, height, width = shape
    scale = min(1.0, math.sqrt(most / (channels * height * width)))
    return max(1, int(height * scale)), max(1, int(width * scale))


def _averaged(images: Tensor, side: tuple[int, int]) -> Tensor:
    return images if images.shape[2:] == side else F.adaptive_avg_pool2d(images, side)


def _interleaved(first: int, second: int) -> Tensor:
    """An order of so many and so many others in which every beginning has both in proportion."""
    places = [(i + 0.5) / first for i in range(first)] + [(i + 0.5) / second for i in range(second)]
    return torch.tensor(sorted(range(first + second), key=places.__getitem__), dtype=torch.int64)


def _rounded(values: Tensor) -> Tensor:
    """To 12 bits, so that a first batch of one is not kept as it was."""
    mantissa, exponent = torch.frexp(values)
    return torch.ldexp((mantissa * 4096).round() / 4096, exponent)


def _finite(inputs: Tensor) -> Tensor:
    return torch.nan_to_num(inputs, nan=0.0)
