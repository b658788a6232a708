"""A recollection memory that a sleep reads as it was when the sleep began, while it goes on changing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Self

import numpy as np
import torch
from torch import Tensor

from streamlearner.memory.lent_records import LentRecords
from streamlearner.memory.readable import ReadableMemory
from streamlearner.memory.records import Records


class LendableMemory(ReadableMemory):
    """`lend` gives what a sleep reads. To be restored in mid-sleep, it is saved in two parts: its `frame`, as
    of the beginning, and what was `set_aside` since; `whole_records` puts them together, and `borrow` then
    lets go of all that the memory itself still holds."""

    def lend(self) -> Self:
        """This memory as it is now, with a generator of its own; to be read only, or it becomes a copy."""
        return copy.deepcopy(self, {id(self._records): LentRecords(self._records)})

    @property
    def lent(self) -> LentRecords | None:
        """Of one that reads the records of another."""
        return self._records if isinstance(self._records, LentRecords) else None

    def release(self) -> None:
        """Of one that reads the records of another: needs nothing of it any more, and holds nothing."""
        if (lent := self.lent) is not None:
            lent.release()
            self._index = None

    def has_room(self, changes: int) -> bool:
        """Of one that reads the records of another: whether it can follow so many that are written there."""
        return self.lent is not None and self.lent.has_room(changes)

    def call_when_full(self, call: Callable[[], None]) -> None:
        """Of one that reads the records of another: calls it before more would be set aside than may be."""
        if self.lent is not None:
            self.lent.on_full = call

    def own(self) -> None:
        """Becomes a copy, where the records are those of another."""
        if self.lent is not None:
            self._records = self.lent.copied()

    # state

    def frame(self) -> dict[str, Tensor]:
        """The state, but for its records."""
        records, empty = self._records, Records(budget_bits=0, packing=self._records.packing)
        empty.held = records.held
        self._records = empty
        try:
            return {name: tensor for name, tensor in self._state().items() if name != "records"}
        finally:
            self._records = records

    def set_aside(self) -> dict[str, Tensor]:
        """What no other memory holds: `places` [n] int32, ascending, and the packed `records` at them."""
        places = np.arange(len(self), dtype=np.int32) if self.lent is None else self.lent.places
        kept = Records(budget_bits=len(places) * self.record_bits + 7, packing=self._records.packing)
        kept.append(*self._records.read(places.tolist()))
        return {"places": torch.from_numpy(places.copy()), "records": kept.state()["records"]}

    def borrow(self, source: LendableMemory, places: Tensor | None) -> None:
        """Lets go of all that `source` holds in the same place, but not at `places`; does nothing where that
        is too little for `LentRecords`."""
        lent = LentRecords.like(self._records, source._records, () if places is None else places.tolist())
        if lent is not None:
            self._records = lent


def whole_records(
    frame: Mapping[str, Tensor], set_aside: Mapping[str, Tensor], source: Mapping[str, Tensor]
) -> Tensor:
    """The records of a lent memory in full, where `source` is the state of the memory that it read."""
    places = set_aside["places"].numpy()
    aside = _records_of(frame, set_aside["records"], held=len(places))
    lent = LentRecords(
        _records_of(source, source["records"], held=int(source["counters"][1])),
        packing=aside.packing,
        held=int(frame["counters"][1]),
    )
    lent.add(places, aside)
    return lent.state()["records"]


def _records_of(state: Mapping[str, Tensor], content: Tensor, *, held: int) -> Records:
    saved = {"records": content, "radices": state["radices"]}
    field_bits = state["counters"].tolist()[2:]
    return Records.restored(saved, budget_bits=8 * len(content), held=held, field_bits=field_bits)
