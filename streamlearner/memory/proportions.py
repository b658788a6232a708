"""In what proportions several samples are kept in one memory: plain arithmetic."""

from __future__ import annotations

from fractions import Fraction


def kept_counts(own: tuple[int, int], other: tuple[int, int], capacity: int, draw: float) -> tuple[int, int]:
    """Of two samples, each (held, seen), how many to keep in one of `capacity` where all seen are equally
    likely.

    One rate for both, the largest there is; `draw` in [0, 1) rounds at random, so that it holds on average.
    """
    pairs = [(held, seen) for held, seen in (own, other) if seen]
    if not pairs:
        return 0, 0
    rate = min(Fraction(capacity, own[1] + other[1]), *(Fraction(held, seen) for held, seen in pairs))
    kept = min(own[0], int(rate * own[1] + Fraction(draw)))
    return kept, min(other[0], capacity - kept, int(rate * other[1] + 1 - Fraction(draw)))


def capped(sizes: list[int], capacity: int) -> list[int]:
    """Rooms of at most `sizes` that sum to at most `capacity`, the largest capped at one size
    (water-filling); what is left over goes by order.
    """
    rooms, left = [0] * len(sizes), capacity
    ascending = sorted(range(len(sizes)), key=sizes.__getitem__)
    for rank, which in enumerate(ascending):
        rooms[which] = min(sizes[which], left // (len(sizes) - rank))
        left -= rooms[which]
    return rooms
