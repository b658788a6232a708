"""ADWIN: a window of answers, cut where the rate of right ones changed (Bifet and Gavalda, 2007)."""

from __future__ import annotations

import math
from typing import NamedTuple

CONFIDENCE = 0.002
"""Bound on the probability of a false alarm at one check."""
MOST_OF_A_SIZE = 5
"""Buckets of equal size, above which the two oldest become one of twice the size."""
CHECK_EVERY = 32
LEAST_IN_A_PART, LEAST_IN_ALL = 5, 10
"""Answers in the older or newer part, and in the window, below which nothing is checked."""


class Change(NamedTuple):
    """The rate `before`, of the answers that were cut off, and `after`, of the `width` newest, which stay."""

    before: float
    after: float
    width: int


class AdaptiveWindow:
    """The longest newest part of a sequence of 0 and 1 whose rate did not change beyond chance.

    An exponential histogram holds it: `rows[i]` are the sums of buckets of 2**i answers each, oldest first,
    so that n answers take about 5 log2 n numbers. Detects where River's `drift.ADWIN` does, up to the first
    change; after one River begins anew, this keeps the newer part, as the paper does. (Own code, because a
    checkpoint holds it as numbers, which no library's detector gives out.)
    """

    def __init__(self, *, check_every: int = CHECK_EVERY) -> None:
        self.check_every = check_every
        self.rows: list[list[int]] = [[]]
        self.seen = 0
        self.width = 0
        self.total = 0

    @property
    def rate(self) -> float | None:
        """Of the window; None while it is empty."""
        return self.total / self.width if self.width else None

    def add(self, hit: bool) -> Change | None:
        """The next answer; the change that it shows, if it does."""
        self.seen += 1
        self.width += 1
        self.total += hit
        self.rows[0].append(int(hit))
        if len(self.rows[0]) > MOST_OF_A_SIZE:
            self._merge()
        if self.seen % self.check_every or self.width <= LEAST_IN_ALL:
            return None
        width, total = self.width, self.total
        while self._differs():
            self._drop_oldest()
        if self.width == width or not self.width:
            return None
        before = (total - self.total) / (width - self.width)
        return Change(before=before, after=self.total / self.width, width=self.width)

    def _merge(self) -> None:
        for size, row in enumerate(self.rows):
            if len(row) <= MOST_OF_A_SIZE:
                return
            if size + 1 == len(self.rows):
                self.rows.append([])
            self.rows[size + 1].append(row.pop(0) + row.pop(0))

    def _drop_oldest(self) -> None:
        size = len(self.rows) - 1
        self.width -= 2**size
        self.total -= self.rows[size].pop(0)
        while len(self.rows) > 1 and not self.rows[-1]:
            self.rows.pop()

    def _differs(self) -> bool:
        """Whether some older part has another rate than the rest, beyond the paper's bound (section 4). With
        local names: it takes a good part of a small network's step."""
        width, total, least = self.width, self.total, LEAST_IN_A_PART
        if total in (0, width):
            return False  # all parts have the same rate
        rate = total / width
        strictness = math.log(2 * math.log(width) / CONFIDENCE)
        spread, further = 2 * rate * (1 - rate) * strictness, 2 / 3 * strictness
        older = hits = 0  # in the part before a border between buckets
        for size in range(len(self.rows) - 1, -1, -1):
            for found in self.rows[size]:
                older += 1 << size
                hits += found
                newer = width - older
                if newer < least:
                    return False
                if older < least:
                    continue
                scale = 1 / (older - least + 1) + 1 / (newer - least + 1)
                bound = math.sqrt(spread * scale) + further * scale
                if abs(hits / older - (total - hits) / newer) > bound:
                    return True
        return False

    def state(self) -> list[list[int]]:
        """JSON: how many were seen, then the rows."""
        return [[self.seen], *map(list, self.rows)]

    def restore(self, state: list[list[int]]) -> None:
        (self.seen,), *rows = state
        self.rows = [list(row) for row in rows]
        self.width = sum(len(row) << size for size, row in enumerate(self.rows))
        self.total = sum(map(sum, self.rows))
