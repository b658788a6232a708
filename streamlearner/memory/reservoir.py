"""The recollection memory: a reservoir of packed codes with labels and tasks, inside a hard budget."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from streamlearner.memory.fields import (
    ID,
    ID_BITS,
    NO_TASK,
    TASK,
    fields_of,
    id_field,
    integers,
    widened,
)
from streamlearner.memory.mergeable import MergeableMemory
from streamlearner.memory.packing import CodeError, Ints, Packing
from streamlearner.memory.records import Records
from streamlearner.memory.tensor_state import restore_generator


class RecollectionMemory(MergeableMemory):
    """Keeps a uniform sample of all codes ever inserted, as many as `budget_bits` hold.

    Algorithm R (Vitter, "Random sampling with a reservoir", 1985). A record is code | label | task | id; the
    label field is as wide as the largest class index so far needs (at least 1 bit), the task field likewise
    (0 bits if none is named), that of ids has `id_bits` (none without ids). When a field widens, records
    chosen uniformly leave first and the rest is re-packed in place: the buffer never exceeds the budget.
    Beside it are a counter, the generator (5 kB) and, once `sample_balanced` was used, a derived index
    (`index_bytes`); `stored_bits` does not count these.

    If room appears after examples were dropped (shorter codes, a larger budget at a restart, `merge`), new
    ones are added with the probability with which old ones are still held: all seen stay equally likely.

    All random draws come from `generator`, which must be this memory's own: it is saved, restored and copied.
    One thread only; give another a deep copy. Raises `CodeError` where not one record fits the budget.
    """

    STATE: ClassVar[tuple[str, ...]] = ("records", "counters", "radices", "generator")
    id_bits: int = ID_BITS

    def __init__(self, *, budget_bits: int, radices: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.budget_bits = int(budget_bits)
        self._generator = generator
        self._records = Records(budget_bits=self.budget_bits, packing=Packing(radices, (1, 0)))
        self._seen = 0
        self._index = None
        self._records.limit(self.budget_bits)

    def insert(
        self, symbols: Tensor, labels: Tensor, tasks: Tensor | None = None, ids: Tensor | None = None
    ) -> None:
        """Offers codes in order: symbols [n, c], class indices [n] from 0, tasks [n] (-1 or None: none),
        digests of the examples' ids [n] (0 or None: none).

        Raises `CodeError`, with the memory unchanged, for wrong shapes and values out of range.
        """
        codes = symbols.detach().cpu().numpy()
        self._records.packing.check(codes)
        classes, n = integers("labels", labels, len(codes), lowest=0), len(codes)
        named = [NO_TASK] * n if tasks is None else integers("tasks", tasks, n, lowest=NO_TASK)
        called = [0] * n if ids is None or not self.id_bits else ids.tolist()
        if not classes:
            return
        self.own()
        self._widen(max(classes).bit_length(), (max(named) + 1).bit_length(), self.id_bits * any(called))
        if chosen := self._choose(classes):
            width = self._records.id_bits
            fields = fields_of(
                [classes[row] for row in chosen.values()],
                [named[row] for row in chosen.values()],
                [id_field(called[row], width) for row in chosen.values()],
                widths=self._records.packing.field_bits,
            )
            self._records.write(list(chosen), codes[list(chosen.values())], fields)

    def _choose(self, classes: list[int]) -> dict[int, int]:
        """Passes the batch by the reservoir: which row of it ends up in which place."""
        draws = torch.rand(len(classes), dtype=torch.float64, generator=self._generator).tolist()
        chosen: dict[int, int] = {}
        records, index, seen = self._records, self._index, self._seen
        for row, draw in enumerate(draws):
            place = self._place(classes[row], draw, seen + row)
            if place < 0:
                continue
            if place == records.held:
                records.held += 1
            elif index is not None:
                index.remove(place, classes[chosen[place]] if place in chosen else records.label_at(place))
            if index is not None:
                index.add(place, classes[row])
            chosen[place] = row
        self._seen = seen + len(classes)
        return chosen

    def _place(self, label: int, draw: float, seen: int) -> int:
        """Where the example after `seen` others goes (-1: nowhere), by one draw from [0, 1)."""
        held, capacity = self._records.held, self._records.capacity
        if held < capacity:
            return held if held == seen or draw * seen < max(held, 1) else -1
        place = int(draw * (seen + 1))
        return place if place < capacity else -1

    def recode(self, radices: Sequence[int], translate: Callable[[Tensor], Tensor]) -> None:
        """The association was renewed: every code becomes `translate(symbols [m, c]) -> [m, c']`.

        `radices` [c'] are those of the new codes. If codes grew, records chosen uniformly leave first.
        `translate` sees at most 256 codes a call. If it raises or gives symbols out of range, the memory ends
        empty (codes were overwritten already): restore a checkpoint.
        """
        try:
            self._repack(Packing(radices, self._records.packing.field_bits), translate)
        except BaseException:
            self._index = None
            raise

    def discard(self, classes: Collection[int]) -> None:
        """Removes all records of these classes: what is left was as likely to be held without them."""
        self._remove([i for i, k in enumerate(self._records.labels()) if k in classes])

    def erase(self, *, id: int | None = None, task: int | None = None) -> int:
        """Removes the records of the example whose id has this digest, or of a task, and says how many there
        were: what is left was as likely to be held as if the stream had been without them."""
        wanted = (NO_TASK if task is None else task) + 1
        leaving = self._called(id) if id is not None else np.flatnonzero(self._records.field(TASK) == wanted)
        self._remove(leaving.tolist(), one_by_one=id is not None)
        return len(leaving)

    def holds(self, id: int) -> bool:
        """Whether a record has an id that looks like the one of this digest."""
        return len(self._called(id)) > 0

    def _called(self, id: int) -> Ints:
        wanted = id_field(id, self._records.id_bits)
        return np.flatnonzero(self._records.field(ID) == wanted) if wanted else np.empty(0, np.int64)

    def _remove(self, leaving: list[int], *, one_by_one: bool = False) -> None:
        """Of some examples that were inserted (`one_by_one`), or of all of a kind, of which as many more were
        seen as were of the others."""
        before = len(self)
        self._records.drop(leaving)
        self._index = None
        self._seen = self._seen - len(leaving) if one_by_one else self._seen * len(self) // max(1, before)

    def resize(self, budget_bits: int) -> None:
        """Another budget from now on. Where it is smaller, records chosen as ever leave. Raises `CodeError`,
        with the memory unchanged, where not one record fits."""
        if budget_bits == self.budget_bits:
            return
        self.own()
        self._records.limit(int(budget_bits))
        self.budget_bits = int(budget_bits)
        self._repack(self._records.packing)

    def _shuffled(self, count: int) -> list[int]:
        return list(torch.randperm(count, generator=self._generator).tolist())

    def _widen(self, label: int, task: int, id: int) -> None:
        now = self._records.packing.field_bits
        if (wider := widened(now, label=label, task=task, id=id)) != now:
            self._repack(Packing(self.radices, wider))

    def _repack(self, packing: Packing, translate: Callable[[Tensor], Tensor] | None = None) -> None:
        """Changes the layout of every record; victims leave before anything grows."""
        self.own()
        excess = len(self) - self._records.capacity_for(packing)
        if excess > 0:
            self._records.drop(self._victims(excess))
            self._index = None
        self._records.repack(packing, translate)

    def _victims(self, count: int) -> Iterable[int]:
        return self._shuffled(len(self))[:count]

    def _state(self) -> dict[str, Tensor]:
        return {
            **self._records.state(),
            "counters": torch.tensor([self._seen, len(self), *self._records.packing.field_bits]),
            "generator": self._generator.get_state(),
        }

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        """Radices come from what was saved; the budget does not: a smaller one evicts."""
        counters = state["counters"]  # without the last one where no example has named an id
        rows = max(4, min(5, counters.numel()))
        seen, held, *field_bits = integers("counters", counters, rows, lowest=0, highest=2**63 - 1)
        if held > seen:
            raise CodeError(f"counters say {held} records are held of {seen} seen: the state is damaged")
        records = Records.restored(state, budget_bits=self.budget_bits, held=held, field_bits=field_bits)
        restore_generator(self._generator, state["generator"])
        self._records, self._seen, self._index = records, seen, None
        self._repack(records.packing)
