"""Records as they were when a sleep began, of a memory that goes on changing: only what changes is copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streamlearner.memory.packing import Ints, Packing
from streamlearner.memory.records import CHUNK, Records

SHARE = 0.15
"""Of the memory's budget: what may be set aside, beside it."""
PLACE_BITS = 64
"""Beside each record set aside: its place, and where it lies now."""


def share_of(budget_bits: int) -> int:
    """Bits that may be set aside."""
    return int(SHARE * budget_bits)


class LentRecords(Records):
    """What `source` held when this was made. Before a record of the source changes or leaves, it is set
    aside (copy on write), at most `SHARE` of the budget in all.

    Where more is about to change, `on_full` is called first: whoever reads here has to read what it still
    needs, and to `release`. Without it, or where it does not release, more is set aside. Only to be read, but
    for `drop`; whoever wants to write takes a copy (`copied`, which a deep copy is, too).
    """

    def __init__(self, source: Records, *, packing: Packing | None = None, held: int | None = None) -> None:
        super().__init__(budget_bits=source.budget_bits, packing=packing or source.packing)
        self.source: Records | None = source
        self.held = self._lent = source.held if held is None else held
        self.on_full: Callable[[], None] | None = None
        each = self.packing.record_bits + PLACE_BITS
        self._most = max(0, share_of(self.budget_bits) - 8) // each
        self._clear()
        source.read_by(self)

    def _clear(self) -> None:
        self._places, self._slots = np.zeros(0, np.int32), np.zeros(0, np.int32)
        room = self._most * self.packing.record_bits + 7
        self._aside = Records(budget_bits=room, packing=self.packing)
        self._left: NDArray[np.int64] | None = None

    @property
    def places(self) -> NDArray[np.int32]:
        """Of what is set aside, ascending."""
        return self._places

    @property
    def stored_bits(self) -> int:
        """Of what is set aside: the source's own bits are not counted twice."""
        return self._aside.stored_bits + 8 * (self._places.nbytes + self._slots.nbytes)

    def has_room(self, changes: int) -> bool:
        """Whether so many records written to the source can be followed, whichever they take the place of."""
        if self.source is None:
            return True
        overwritten = max(0, changes - (self.source.capacity - self.source.held))
        return min(self._lent, self._aside.held + overwritten) <= self._most

    def release(self) -> None:
        """Lets go of the source and of what was set aside: nothing is held any more."""
        self.source, self.held, self._lent = None, 0, 0
        self._clear()

    def set_aside(self, places: Iterable[int]) -> None:
        """Copies the records at those of `places` that are not set aside yet: they are about to change."""
        new = np.setdiff1d(np.fromiter(places, np.int32), self._places)
        new = new[new < self._lent]
        if not len(new):
            return
        if self._aside.held + len(new) > self._most and self.on_full is not None:
            self.on_full()
        if self.source is not None:
            self.add(new, self.source, new)

    def add(self, places: NDArray[np.int32], held_by: Records, at: NDArray[np.int32] | None = None) -> None:
        """Sets aside, for `places` (ascending, none set aside yet), the records that another holds, in the
        same order or `at` these places."""
        first = self._aside.held
        at = np.arange(len(places), dtype=np.int32) if at is None else at
        bits = (first + len(places)) * self.packing.record_bits
        self._aside.bits.limit_bytes = max(self._aside.bits.limit_bytes, -(-bits // 8))
        for start in range(0, len(at), CHUNK):
            self._aside.append(*held_by.read(at[start : start + CHUNK].tolist()))
        spots = np.searchsorted(self._places, places)
        slots = np.arange(first, self._aside.held, dtype=np.int32)
        self._slots = np.insert(self._slots, spots, slots)
        self._places = np.insert(self._places, spots, places)

    # reading

    def read(self, places: Iterable[int]) -> tuple[Ints, Ints]:
        wanted = np.asarray(list(places), np.int64)
        if self._left is not None:
            wanted = self._left[wanted]
        spots = np.searchsorted(self._places, wanted)
        found = spots < len(self._places)
        found[found] = self._places[spots[found]] == wanted[found]
        symbols = np.empty((len(wanted), len(self.packing.radices)), np.int64)
        fields = np.empty((len(wanted), len(self.packing.field_bits)), np.int64)
        if found.any():
            symbols[found], fields[found] = self._aside.read(self._slots[spots[found]])
        if self.source is not None and not found.all():
            symbols[~found], now = self.source.read(wanted[~found])
            fields[~found] = now[:, : fields.shape[1]]  # ids may have come since
        return symbols, fields

    def label_at(self, place: int) -> int:
        return int(self.read([place])[1][0, 0])

    def field(self, which: int) -> Ints:
        values = np.zeros(self._lent, np.int64)
        if which >= len(self.packing.field_bits):
            return values if self._left is None else values[self._left]
        unchanged = self.source.field(which)[: self._lent] if self.source is not None else values
        values[: len(unchanged)] = unchanged
        values[self._places] = self._aside.field(which)[self._slots]
        return values if self._left is None else values[self._left]

    def drop(self, places: Iterable[int]) -> None:
        """As ever, for the reader alone: the source keeps what it holds."""
        left = np.arange(self._lent) if self._left is None else self._left
        leaving = set(places)
        kept = self.held - len(leaving)
        moving = (place for place in range(kept, self.held) if place not in leaving)
        for gap in sorted(place for place in leaving if place < kept):
            left[gap] = left[next(moving)]
        self._left, self.held = left[:kept], kept

    # copies

    @classmethod
    def like(cls, own: Records, source: Records, places: Iterable[int]) -> LentRecords | None:
        """The same as `own`, of which `source` holds all in the same place that is not set aside: those at
        `places`, and those in which they differ. None where that would be more than may be."""
        lent = cls(source, packing=own.packing, held=own.held)
        differing = set(places).union(_differing(own, source))
        if len(differing) > lent._most:
            return None
        at = np.asarray(sorted(differing), np.int32)
        lent.add(at, own, at)
        return lent

    def copied(self) -> Records:
        """The same records, on their own."""
        bits = max(self.budget_bits, self.held * self.packing.record_bits + 7)
        copied = Records(budget_bits=bits, packing=self.packing)
        if self.source is not None and self._left is None:
            copied.take_bits(self.source, held=self.held)
            places = self._places[self._places < copied.held].tolist()
            copied.write(places, *self.read(places))
        for start in range(copied.held, self.held, CHUNK):
            copied.append(*self.read(range(start, min(self.held, start + CHUNK))))
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Records:
        memo[id(self)] = copied = self.copied()
        return copied

    def state(self) -> dict[str, Tensor]:
        return self.copied().state()


def _differing(one: Records, other: Records) -> Iterable[int]:
    """Places of `one` where `other` holds another record, or none."""
    if one.packing.radices != other.packing.radices:
        return range(one.held)
    found = [*range(other.held, one.held)]
    doubtful = _doubtful(one, other)
    for start in range(0, len(doubtful), CHUNK):
        chunk = doubtful[start : start + CHUNK]
        (symbols, fields), (others, theirs) = one.read(chunk), other.read(chunk)
        same = (symbols == others).all(1) & (fields == theirs[:, : fields.shape[1]]).all(1)
        found += np.asarray(chunk)[~same].tolist()
    return found


def _doubtful(one: Records, other: Records) -> Sequence[int]:
    """Places that both hold and where they may differ: of equally laid out records those with other bytes."""
    both, width = min(one.held, other.held), one.packing.record_bits
    if one.packing.field_bits != other.packing.field_bits or width < 8:
        return range(both)
    size = -(-both * width // 8)
    first_bits = 8 * np.flatnonzero(one.bits.content[:size] != other.bits.content[:size])
    places = np.union1d(first_bits // width, (first_bits + 7) // width)
    found: list[int] = places[places < both].tolist()
    return found
