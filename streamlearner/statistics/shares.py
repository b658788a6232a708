"""How a budget is divided between statistics and recollections."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from streamlearner.statistics.class_sums import bits_of
from streamlearner.statistics.directions import Directions
from streamlearner.statistics.leading import LeadingStatistics
from streamlearner.statistics.statistics import Statistics


class Division(NamedTuple):
    """`at_first`: the share of the budget that statistics take until a network answers. `kept_bits`: what
    recollections keep of it, or half of a smaller one. `most_directions`: for so many the rule is drawn, and
    a memory keeps its rule for life."""

    at_first: float
    kept_bits: int
    most_directions: int


TODAY = Division(at_first=3 / 4, kept_bits=131_072, most_directions=176)
"""Right along the ten streams that settings are chosen on but electricity, and at their ends, in %, means
of two seeds: at 64 KiB 80.7 and 87.7, with BEFORE 81.0 and 86.9; with 15 of 16 parts recollections are too
few for the network and the nearest. Of six of them at 30 KiB, where kept_bits leaves half, three quarters had
78.2 and 82.0 instead of 77.6 and 82.7."""
BEFORE = Division(at_first=1 / 2, kept_bits=0, most_directions=128)
"""Of memories that began before there was another one."""

SETTLED, ORDERED = 1 / 8, 15 / 16
"""Share of the memory's budget that statistics take once the network answers, and, always, where features
come in order: by bits, they retain more then than codes do."""
LEAST_DIRECTIONS = 24
"""Statistics of fewer directions are worth less than the recollections in their place: small digits class by
class with sleeps, at 4 KiB, 81.7 % with 19 directions and 91.4 % without statistics."""
ROOM_FOR_CLASSES = 64
"""No budget is so large that statistics take more than they need with so many classes."""


def statistics_share(budget_bits: int, division: Division, *, settled: bool, ordered: bool) -> int:
    """Bits that they may take of a budget."""
    if ordered:
        return int(budget_bits * ORDERED)
    wanted = min(int(budget_bits * division.at_first), budget_bits - division.kept_bits)
    share = int(budget_bits * SETTLED) if settled else max(budget_bits // 2, wanted)
    return min(share, bits_of(division.most_directions, ROOM_FOR_CLASSES))


def division_of(choice: Tensor) -> Division:
    """How the budget was divided when this was the choice of an `Answering`; it had five numbers before."""
    return TODAY if choice.tolist()[5:] == [TODAY.most_directions] else BEFORE


def statistics_within(
    budget_bits: int, division: Division, *, input_shape: tuple[int, ...], seed: int, ordered: bool
) -> Statistics | None:
    """Those of a new memory; None where they have no room. `ordered`: the first features tell most."""
    share = statistics_share(budget_bits, division, settled=False, ordered=ordered)
    if ordered and input_shape[0] >= LEAST_DIRECTIONS:
        found: Statistics = LeadingStatistics(features=input_shape[0], budget_bits=share)
    else:
        most = division.most_directions
        directions = Directions(input_shape=input_shape, most=most, seed=seed)
        found = Statistics(directions=directions, budget_bits=share, most=most)
    return found if found.sums.directions >= LEAST_DIRECTIONS else None
