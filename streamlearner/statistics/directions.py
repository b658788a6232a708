"""Directions: a raw input to whole numbers, by a rule that never changes once it has met an input."""

from __future__ import annotations

import copy
import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamlearner.statistics.averaging import averaged, averages, averaging, side_within
from streamlearner.statistics.class_sums import HIGHEST
from streamlearner.statistics.rule import (
    LEVELS,
    LINEAR,
    STEPS_PER_DEVIATION,
    STEPS_PER_UNIT,
    TIE,
    Floats,
    Ints,
    Rule,
)
from streamlearner.statistics.scale import NO_UNIT, Scale, SharedScale, agreed, finite

OF_THE_INPUT = 0.4
"""How many of the directions are the input's own; the others are random features. With 160 directions, 10,000
digits of MNIST: 84.0 % right, with random features alone 82.7 %; 4,000 images of CIFAR-10: 37.0 and 35.6 %,
and 200 digits of 8 x 8: 92.5 % both."""
FEW = 0.4
"""Columns of a vector that take no more of the directions than this are the first of them."""
PROJECTED_COLUMNS = 0.7
"""How many of the directions are projections of a vector's columns, where it has more columns than there are
directions. (Right with 128 directions, once so many of the columns, once projections: 4,000 other digits of
MNIST as 196 values 81.6 and 86.0 %, as 784 78.0 and 84.0 %; 3,000 of CIFAR-10 as 1,024 grey values 25.9 and
29.0 %, as 768 of colour 35.1 and 35.4 %; random features of either 86.5 and 86.0 %, 33.7 and 34.1 %.)"""
PROJECTED = 256
"""Values of an image that random features look at: larger ones are averaged over blocks first. (Right along
the stream before each label was learned, in %, with 1,024, 400 and 256: 4,000 digits of MNIST class by class
84.7, 86.1, 88.4; 3,000 inverted 83.9, 84.7, 86.1; on a canvas of 64 x 64 85.0, 86.6, 85.9; 2,000 of CIFAR-10
32.0, 31.8, 30.1.)"""


class Directions(nn.Module):
    """Raw inputs of one shape, uint8 [n, C, H, W] or float32 [n, d], to int8 [n, count] within HIGHEST.

    The first so many numbers, for any count up to `most`, hold both kinds in equal proportions, but that few
    columns come before all random features:

    - the input itself: an image averaged over blocks, the columns of a vector, or random projections of
      them where they are many;
    - random features, max(0, x @ R + b), whose R and b are drawn from `seed` and cost no bits (RanDumb,
      Prabhu et al., 2024). An image is first taken in units of its own mean and deviation.

    A vector's column is measured from its median in the first batch, rounded, in units of how far it first
    leaves that, on a scale that is linear near 0 and logarithmic far from it (asinh), so that wild
    scales and absurd values do no harm: for random features and projections from one unit on, for a column's
    own number from LINEAR units on. `centre` and `unit` [d] float32 are that rule; images need none.
    """

    centre: Tensor
    unit: Tensor

    def __init__(self, *, input_shape: tuple[int, ...], most: int, seed: int) -> None:
        super().__init__()
        self.input_shape = input_shape
        values, self._pooling = _values_and_pooling(input_shape, max(1, round(OF_THE_INPUT * most)))
        chosen = torch.Generator().manual_seed(seed)
        looked_at, projections = _looked_at(input_shape), round(PROJECTED_COLUMNS * most)
        if len(input_shape) == 1 and values > most:
            drawn = torch.randn(values, projections, generator=chosen, dtype=torch.float64)
            self._pooling, values = drawn.numpy() / math.sqrt(values), projections
        own = min(values, most)
        self._own = torch.randperm(values, generator=chosen)[:own].numpy()
        drawn = torch.randn(looked_at, most - own, generator=chosen, dtype=torch.float64)
        self._matrix = drawn.numpy() / math.sqrt(looked_at)
        self._offset = 0.3 * torch.randn(most - own, generator=chosen, dtype=torch.float64).numpy()
        # few columns come first: with many classes little else may be left
        few = len(input_shape) == 1 and own <= FEW * most
        self._order = np.arange(most) if few else _interleaved(own, most - own)
        self._found: tuple[Ints, Ints] = np.empty(0, np.int64), np.empty(0, np.int64)
        calibrated = input_shape[0] if len(input_shape) == 1 else 0
        self.register_buffer("centre", torch.full((calibrated,), torch.nan))
        self.register_buffer("unit", torch.full((calibrated,), torch.nan))
        self._shared: SharedScale | None = None
        self._whole: tuple[Tensor, Floats, Floats] | None = None  # `unit` once no column is without, and both

    @property
    def stored_bits(self) -> int:
        return 32 * (self.centre.numel() + self.unit.numel())

    @property
    def scale(self) -> Scale:
        """How a vector's columns are measured; of none for images."""
        return Scale(self.centre, self.unit)

    @scale.setter
    def scale(self, scale: Scale) -> None:
        self.centre, self.unit = scale

    def calibrate(self, inputs: Tensor) -> None:
        """Sets the rule by the first inputs, for columns that have none yet. Call it before each batch."""
        unit = self.unit
        if (self._whole is not None and self._whole[0] is unit) or self.scale.is_whole:
            return
        own = self.scale
        found = own.after(inputs)
        if found is not own:
            self.scale = found if self._shared is None else agreed(own, inputs, self._shared)

    def share(self, shared: SharedScale) -> None:
        """Takes the rules for columns that have none from `shared` from now on, and tells it of its own."""
        if self.centre.numel():
            self._shared = shared
            self.scale = agreed(self.scale, None, shared)

    def agrees(self, other: Directions) -> bool:
        """Whether numbers of both are of one rule."""
        return self.digest == other.digest and self.scale.agrees(other.scale)

    def unite(self, other: Directions) -> None:
        """Takes the rule of another, which agrees, for columns that have none."""
        self.scale = self.scale.with_rules(other.scale)

    def forget(self) -> None:
        """As if no input had been met."""
        self.centre, self.unit = (torch.full_like(part, torch.nan) for part in (self.centre, self.unit))
        self._whole = None

    @property
    def digest(self) -> str:
        """SHA-256 of what was drawn: with equal scales the same input gives the same numbers."""
        drawn = (self._matrix, self._offset, self._own, self._order, self._pooling)
        return hashlib.sha256(b"|".join(part.tobytes() for part in drawn)).hexdigest()

    @torch.no_grad()
    def forward(self, inputs: Tensor, *, count: int) -> Tensor:
        """The first `count` numbers of raw inputs: int8 [n, count]."""
        own, seen = self._of_vectors(inputs) if inputs.ndim == 2 else self._of_images(inputs)
        own_places, random_places = self.places(count)
        numbers = np.empty((len(inputs), count))
        numbers[:, own_places] = own[:, self._own[: len(own_places)]]
        features = seen @ self._matrix[:, : len(random_places)] + self._offset[: len(random_places)]
        numbers[:, random_places] = np.maximum(features, 0.0) * STEPS_PER_DEVIATION
        np.rint(np.add(numbers, TIE, out=numbers), out=numbers)
        np.minimum(np.maximum(numbers, -HIGHEST, out=numbers), HIGHEST, out=numbers)
        return torch.from_numpy(numbers.astype(np.int8))

    def rule(self, count: int) -> Rule:
        """The first `count` of them, as they are now."""
        own_places, random_places = self.places(count)
        chosen, random = self._own[: len(own_places)], len(random_places)
        looked_at = len(self._matrix)
        pooling = self._pooling if self._pooling.size else np.eye(looked_at)
        vectors = len(self.input_shape) == 1
        rule = Rule(
            own=np.ascontiguousarray(pooling[:, chosen]) * self._steps_of_own,
            random=np.ascontiguousarray(self._matrix[:, :random]),
            offset=self._offset[:random].copy(),
            order=np.concatenate([own_places, random_places]),
        )
        if vectors:
            centre, unit = self._scale()
            return rule._replace(centre=centre, unit=unit, linear=1.0 if self._pooling.size else LINEAR)
        side = side_within(self.input_shape, PROJECTED)
        rows, columns = (averaging(*each) for each in zip(self.input_shape[1:], side, strict=True))
        return rule._replace(rows=rows, columns=columns)

    def places(self, count: int) -> tuple[Ints, Ints]:
        """Where, among the first `count` numbers, those of the input itself and random features stand."""
        if len(self._found[0]) + len(self._found[1]) != count:
            is_own = self._order[:count] < len(self._own)
            self._found = np.flatnonzero(is_own), np.flatnonzero(~is_own)
        return self._found

    def __deepcopy__(self, memo: dict[int, Any]) -> Directions:
        """What was drawn is shared: nothing changes it."""
        twin = copy.copy(self)
        twin._buffers = {name: buffer.clone() for name, buffer in self.named_buffers(recurse=False)}
        memo[id(self)] = twin
        return twin

    def _load_from_state_dict(self, *given: Any) -> None:
        self._whole = None
        super()._load_from_state_dict(*given)

    def _of_vectors(self, inputs: Tensor) -> tuple[Floats, Floats]:
        centre, unit = self._scale()
        away = (finite(inputs).double().numpy() - centre) / unit
        scaled = np.arcsinh(away)
        if self._pooling.size:
            return scaled @ self._pooling * STEPS_PER_DEVIATION, scaled
        return np.arcsinh(away / LINEAR) * (LINEAR * STEPS_PER_UNIT), scaled

    def _scale(self) -> tuple[Floats, Floats]:
        """Centre and unit; a column that has none yet is 0. Worked out once, when all have."""
        if self._whole is not None and self._whole[0] is self.unit:
            return self._whole[1:]
        unit, centre = self.unit.double().numpy(), self.centre.double().numpy()
        if np.isnan(unit).any():
            return np.nan_to_num(centre), np.where(np.isnan(unit), NO_UNIT, unit)
        self._whole = self.unit, centre, unit
        return centre, unit

    @property
    def _steps_of_own(self) -> float:
        if len(self.input_shape) > 1:
            return LEVELS
        return STEPS_PER_DEVIATION if self._pooling.size else LINEAR * STEPS_PER_UNIT

    def _of_images(self, inputs: Tensor) -> tuple[Floats, Floats]:
        side = side_within(self.input_shape, PROJECTED)
        light = averages(inputs, side) / 255.0
        away = light - light.mean(1, keepdims=True)
        away /= np.sqrt(np.square(away).mean(1, keepdims=True)) + 1e-3
        return light @ self._pooling * LEVELS, away


def _values_and_pooling(shape: tuple[int, ...], most: int) -> tuple[int, Floats]:
    """How many values of its own an input gives, and the matrix [looked at, values] by which an image, no
    larger than random features look at, is averaged to them."""
    if len(shape) == 1:
        return shape[0], np.empty(0)
    seen, side = side_within(shape, PROJECTED), side_within(shape, most)
    each = torch.eye(shape[0] * seen[0] * seen[1], dtype=torch.float64).view(-1, shape[0], *seen)
    pooling = averaged(each, side).flatten(1).numpy()
    return pooling.shape[1], pooling


def _looked_at(shape: tuple[int, ...]) -> int:
    height, width = side_within(shape, PROJECTED) if len(shape) == 3 else (1, 1)
    return shape[0] * height * width


def _interleaved(first: int, second: int) -> Ints:
    """An order of so many and so many others in which every beginning has both in proportion."""
    places = [(i + 0.5) / first for i in range(first)] + [(i + 0.5) / second for i in range(second)]
    return np.asarray(sorted(range(first + second), key=places.__getitem__), dtype=np.int64)
