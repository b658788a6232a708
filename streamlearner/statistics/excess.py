"""Sums by class and products of two directions, beyond what the sums over all classes let expect of each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from streamlearner.statistics.halving import Ints, Sums
from streamlearner.statistics.packed_integers import packed_bits, width_of

GROUPS = 8
"""Parts of the directions, one after the other, whose sums and products have a width of their own: those of
the last directions are smaller."""
WIDE = 32
"""Bits of each count."""


class Excess(NamedTuple):
    """What is packed: sums by class and products of two directions, less what the sums over all classes let
    expect of each, rounded down. Which is exact, as those are held."""

    total: Ints
    sums: Ints
    scatter: Ints

    def first(self, directions: int) -> Excess:
        return Excess(
            self.total[:directions], self.sums[:, :directions], self.scatter[:directions, :directions]
        )

    @property
    def groups(self) -> Iterator[tuple[Ints, Ints]]:
        """The sums of a group's directions, and their products with later directions, flat; last the sums
        over all classes, and the squares."""
        for own, place in groups_of(len(self.total)):
            yield self.sums[:, own].reshape(-1), self.scatter[place]
        yield self.total, self.scatter.diagonal()

    @property
    def widths(self) -> list[tuple[int, int]]:
        """By group, of a sum and of a product."""
        return [(width_of(sums), width_of(products)) for sums, products in self.groups]


def bits_of(excess: Excess, widths: list[tuple[int, int]]) -> int:
    """Bits that are stored of it."""
    lengths = [(sums.size, products.size) for sums, products in excess.groups]
    packed = sum(
        packed_bits(n, w) for pair in zip(lengths, widths, strict=True) for n, w in zip(*pair, strict=True)
    )
    return WIDE * (len(excess.sums) + 1) + packed + 16 * len(widths)


def fewer(excess: Excess, widths: list[tuple[int, int]], budget_bits: int) -> int:
    """Directions, at least one less, that might fit: bits grow no faster than by the square."""
    share = budget_bits / bits_of(excess, widths)
    return max(0, min(len(excess.total) - 1, int(len(excess.total) * (share + 1) / 2)))


def excess_of(found: Sums) -> Excess:
    total = found.sums.sum(0)
    sums, scatter = expected_of(found.counts, total)
    return Excess(total, found.sums - sums, found.scatter - scatter)


def expected_of(counts: Ints, total: Ints) -> tuple[Ints, Ints]:
    """Sums by class, were all classes alike, and the scatter of the mean alone; rounded down."""
    number = max(1, int(counts.sum()))
    return np.multiply.outer(counts, total) // number, np.multiply.outer(total, total) // number


@lru_cache(maxsize=8)
def groups_of(directions: int) -> list[tuple[slice, tuple[Ints, Ints]]]:
    """By group its directions, and where the products of each with the later ones stand in the scatter."""
    row, column = np.triu_indices(directions, 1)
    ends = [directions * (i + 1) // GROUPS for i in range(GROUPS)]
    starts = [0, *ends[:-1]]
    within = [(row >= start) & (row < end) for start, end in zip(starts, ends, strict=True)]
    slices = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
    return [(own, (row[chosen], column[chosen])) for own, chosen in zip(slices, within, strict=True)]
