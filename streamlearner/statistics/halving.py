"""What was seen so far counts half from now on, and says the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Sums(NamedTuple):
    """Counts [classes], sums by class [classes, directions], and the scatter about 0 [directions,
    directions]."""

    counts: Ints
    sums: Ints
    scatter: Ints

    def first(self, directions: int) -> Sums:
        """Along the first directions alone."""
        return Sums(self.counts, self.sums[:, :directions], self.scatter[:directions, :directions])


def halved(found: Sums) -> Sums:
    """Half of the examples, with the same means and the same covariance within classes, but for rounding.

    Each number halved by itself would leave a covariance that no examples have: with negative variances, as
    soon as directions depend on each other, and answers by its inverse that are worth nothing (labels of two
    columns that change places, six halvings later: 98 % right, then 63). What rounding may take from a
    variance is added to each that there is.
    """
    before, after = np.maximum(found.counts, 1), found.counts // 2
    sums = np.rint(found.sums * (after / before)[:, None]).astype(np.int64)
    within = found.scatter - (found.sums.T / before) @ found.sums
    scatter = within / 2 + (sums.T / np.maximum(after, 1)) @ sums
    scatter.flat[:: len(scatter) + 1] += np.where(within.diagonal() > 0.5, len(scatter) ** 0.5, 0.0)
    return Sums(after, sums, np.rint(scatter).astype(np.int64))
