"""Statistics of features that come in order, those that tell most first: as many as the budget holds."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from streamlearner.statistics.discriminant import Discriminant, discriminant
from streamlearner.statistics.packed_sums import PackedSums
from streamlearner.statistics.statistics import CLASSES, Statistics
from streamlearner.statistics.surprise import Surprise

STEPS, HIGHEST = 2.0, 7
"""Steps in a feature's deviation, about, and steps from 0 at most. (Right on 10,000 of CIFAR-100 after
40,000, EfficientNet-lite0 at 96 pixels, with 1.25, 1.5 and 2 steps, in %: 51.8, 51.9, 52.0 in 245,760 bits,
58.6, 58.7, 58.9 in 4,915,200. Finer ones take more bits for each direction.)"""
PLANNED_BITS = 10, 14
"""Of a sum of one class and of a product of two directions after some thousand examples: with fewer bits
there would be room for more directions at first, and each is worth little then."""


class LeadingColumns(nn.Module):
    """Features [n, d] float32 of deviation 1, about, as the first so many whole numbers within HIGHEST. It
    holds nothing."""

    stored_bits = 0

    def calibrate(self, inputs: Tensor) -> None:
        """Nothing to set: the scale is known."""

    def forget(self) -> None:
        """Nothing was met."""

    def agrees(self, other: nn.Module) -> bool:
        """There is one scale."""
        return isinstance(other, LeadingColumns)

    def unite(self, other: nn.Module) -> None:
        """It holds nothing."""

    def forward(self, inputs: Tensor, *, count: int) -> Tensor:
        """int8 [n, count]."""
        steps = torch.nan_to_num(inputs[:, :count] * STEPS)
        return steps.round().clamp(-HIGHEST, HIGHEST).to(torch.int8)


class LeadingStatistics(Statistics):
    """Statistics along the first features. More examples, and more classes, need more bits for each: the last
    features are given up, as if they had never been."""

    def __init__(self, *, features: int, budget_bits: int) -> None:
        nn.Module.__init__(self)
        self.directions = LeadingColumns()
        self.budget_bits = budget_bits
        self.surprise = Surprise()
        self.own_alone = None  # there are no random features
        room = self._room(CLASSES)
        self.sums = PackedSums(min(features, planned(room)), budget_bits=room)
        self._found = None

    def grow(self, classes: int) -> None:
        if classes > self.sums.classes:
            self._found = None
        self.surprise.grow(classes)
        self.sums.budget_bits = self._room(classes)
        self.sums.grow(classes)

    def learn(self, numbers: Tensor, labels: Tensor, predicted: Tensor | None) -> bool:
        changed = predicted is not None and self.surprise.watch(predicted == labels, labels, self.sums.counts)
        if changed:
            self.sums.halve()
        self.sums.add(numbers, labels)
        self._found = None
        return changed

    def _without_examples(self) -> PackedSums:
        return PackedSums(self.sums.directions, budget_bits=self.sums.budget_bits)

    def _add(self, other: Statistics, classes: Mapping[int, int]) -> None:
        self.sums.merge(other.sums.placed(classes, self.sums.classes))

    def limit(self, budget_bits: int) -> None:
        self.budget_bits, self._found = budget_bits, None
        self.sums.fit(self._room(self.sums.classes))

    def solve(self) -> Discriminant:
        if self._found is None:
            self._found = discriminant(*map(torch.from_numpy, self.sums.held()))
        return self._found

    def _room(self, classes: int) -> int:
        return max(0, self.budget_bits - self.surprise.bits_of(classes))


def planned(budget_bits: int, *, classes: int = CLASSES) -> int:
    """Directions that fit a budget with PLANNED_BITS and so many classes."""
    of_sum, of_product = PLANNED_BITS
    a, b = of_product / 2, of_sum * classes
    return max(0, int(((b * b + 4 * a * budget_bits) ** 0.5 - b) / (2 * a)))
