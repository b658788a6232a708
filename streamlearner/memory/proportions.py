"""In what proportions several samples are kept in one memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch


class Sampled(NamedTuple):
    """A uniform sample: `held` of `seen` examples."""

    held: int
    seen: int


def largest_sample(shards: Sequence[Sampled]) -> int:
    """The most examples that can be drawn without replacement from all that these samples saw, where only
    what they hold can be given: any number of those drawn may be of a sample that has lost some."""
    lossy = [held for held, seen in shards if held < seen]
    return min([sum(seen for _, seen in shards), *lossy])


def drawn_counts(seen: Sequence[int], total: int, generator: torch.Generator) -> list[int]:
    """How many of `total` examples, drawn without replacement from all that were seen, fall to each who saw
    so many: one draw of the multivariate hypergeometric distribution."""
    left, counts, rest = list(seen), [0] * len(seen), sum(seen)
    for draw in torch.rand(total, dtype=torch.float64, generator=generator).tolist():
        nth, which = int(draw * rest), 0
        while nth >= left[which]:
            nth -= left[which]
            which += 1
        counts[which] += 1
        left[which] -= 1
        rest -= 1
    return counts


def capped(sizes: Sequence[int], capacity: int, generator: torch.Generator) -> list[int]:
    """Rooms of at most `sizes` that sum to at most `capacity`, the largest capped at one size
    (water-filling); what is left over goes by chance, one to each.
    """
    left, level = capacity, 0
    for rank, size in enumerate(sorted(sizes)):
        level = min(size, left // (len(sizes) - rank))
        if level < size:
            break
        left -= size
    rooms = [min(size, level) for size in sizes]
    larger = [which for which, size in enumerate(sizes) if size > level]
    for nth in torch.randperm(len(larger), generator=generator).tolist()[: capacity - sum(rooms)]:
        rooms[larger[nth]] += 1
    return rooms
