"""Whether two models differ on the same examples, or by chance alone."""

from __future__ import annotations

import math
from collections.abc import Sequence


def probability_of_losses(before: Sequence[bool], after: Sequence[bool]) -> float:
    """That chance alone takes as many right answers away, where the two are equally good: McNemar's test,
    exact and one-sided. Only answers that changed say anything. 1 where none did."""
    lost = sum(then and not now for then, now in zip(before, after, strict=True))
    changed = lost + sum(now and not then for then, now in zip(before, after, strict=True))
    ways = sum(math.comb(changed, k) for k in range(lost, changed + 1))
    return float(ways / 2**changed)


def fewest_losses(significance: float) -> int:
    """So many right answers must be lost, with none gained, before chance is less probable than that."""
    return max(1, math.floor(-math.log2(significance)) + 1) if significance < 1 else 1
