"""How many messages a batch takes where that follows the lag: the more, the further learning is behind."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from streamlearner.state.batch_paces import Pace, Stretch

MANY, FEW = 8, 2
"""Batches that wait: so many make batches grow by a step, fewer than so many make them shrink by one."""
SHARE = 100
"""A batch is at most the hundredth part of what was taken before it: what is young needs many steps."""
FAR, NEAR = 32, 8
"""The same for thinning to one example in n, in n batches: from 64 on one in two, down to fewer than 16."""
THINS_TO = 16
"""Of so many examples at least one gets optimiser steps."""


class Paces(Protocol):
    """What was decided before a restart (`state.batch_paces.BatchPaces` is one)."""

    def at(self, messages: int) -> Stretch | None: ...

    def add(self, decided: Stretch) -> None: ...


def steps_between(least: int, most: int, *, thins: bool = False) -> tuple[Pace, ...]:
    """Each pace takes twice the batch of the one before; then, if it `thins`, gives steps to half as many."""
    sizes = [least]
    while sizes[-1] < most:
        sizes.append(min(2 * sizes[-1], most))
    thinned = [Pace(most, 2**power) for power in range(1, THINS_TO.bit_length())] if thins else []
    return (*map(Pace, sizes), *thinned)


class BatchGrowth:
    """The pace of batches: decided once for each span of messages, which is as long as the largest batch,
    from how many wait where it begins.

    That depends on the clock. So it is noted before the first batch of the span is learned, and a replay
    finds there what was decided.
    """

    def __init__(self, paces: Sequence[Pace], *, noted: Paces) -> None:
        self._paces = tuple(paces)
        self._noted = noted
        self._span = max(pace.size for pace in paces)
        self._decided = Stretch(0, 0, self._paces[0])

    @property
    def pace(self) -> Pace:
        """The last one that was decided."""
        return self._decided.pace

    def is_decided(self, taken: int) -> bool:
        """Whether the batch after so many messages is within the span that was decided last."""
        return self._decided.start <= taken < self._decided.end

    def size(self, taken: int) -> int:
        """Messages of that batch, if there are enough."""
        return min(self._decided.pace.size, self._decided.end - taken)

    def decide(self, taken: int, *, waiting: int) -> None:
        """For the span that begins after so many messages, or that went on there before a restart."""
        if (found := self._noted.at(taken)) is not None:
            start = taken - (taken - found.start) % self._span
            self._decided = Stretch(start, min(start + self._span, found.end), found.pace)
            return
        self._decided = Stretch(taken, taken + self._span, self._next_pace(taken, waiting))
        self._noted.add(self._decided)

    def _next_pace(self, taken: int, waiting: int) -> Pace:
        now, step = self.pace, self._step
        further = self._paces[min(step + 1, len(self._paces) - 1)]
        may_grow = further.size == now.size or further.size * SHARE <= taken
        if may_grow and waiting >= now.size * (MANY if further.one_in == 1 else FAR * further.one_in):
            return further
        if waiting < now.size * (FEW if now.one_in == 1 else NEAR * now.one_in):
            return self._paces[max(step - 1, 0)]
        return self._paces[step]

    @property
    def _step(self) -> int:
        """Of those that there are: settings may have changed since it was noted."""
        return max(0, bisect_right(self._paces, self.pace) - 1)
