"""How a budget is divided between statistics and recollections."""

from __future__ import annotations

from streamlearner.statistics.class_sums import bits_of

AT_FIRST, SETTLED, ORDERED = 1 / 2, 1 / 8, 15 / 16
"""Share of the memory's budget that statistics take at first, once the network answers, and, always, where
features come in order: by bits, they retain more then than codes do."""
MOST_DIRECTIONS, LEAST_DIRECTIONS = 128, 24
"""Statistics of fewer directions are worth less than the recollections in their place: small digits class by
class with sleeps, at 4 KiB, 81.7 % with 19 directions and 91.4 % without statistics."""
ROOM_FOR_CLASSES = 64
"""No budget is so large that statistics take more than they need with so many classes."""


def statistics_share(budget_bits: int, *, settled: bool, ordered: bool) -> int:
    """Bits that they may take of a budget."""
    share = int(budget_bits * (ORDERED if ordered else SETTLED if settled else AT_FIRST))
    return share if ordered else min(share, bits_of(MOST_DIRECTIONS, ROOM_FOR_CLASSES))
