"""Records side by side in one run of bytes: record i takes bits [i * record_bits, (i + 1) * record_bits).

Places are dense: the last record moves where one leaves. What is kept, and why, the recollection memory
decides.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamlearner.memory.bit_buffer import BitBuffer
from streamlearner.memory.fields import ID, LABEL
from streamlearner.memory.packing import CodeError, Ints, Packing, Words

RUN = 16
"""Records side by side from which on they are written as one run of bits."""
CHUNK = 256
"""Records re-packed at a time: the only ones that are ever held twice, and then for one step."""


@dataclass(frozen=True, slots=True)
class Recollections:
    """Remembered codes: `symbols` [n, c], `labels` [n], `tasks` [n] (-1: none was named), all int64 on the
    CPU.
    """

    symbols: Tensor
    labels: Tensor
    tasks: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Reader(Protocol):
    """Who reads records of `source` as they were once, and is told before they change or leave."""

    source: Records | None

    def set_aside(self, places: Iterable[int]) -> None: ...


class Records:
    """`held` records of `packing` (`fields`: label, task and perhaps id) in at most `budget_bits`, in whole
    bytes."""

    def __init__(self, *, budget_bits: int, packing: Packing) -> None:
        self.budget_bits = budget_bits
        self.bits = BitBuffer(max(0, budget_bits) // 8)
        self.held = 0
        self._readers: list[weakref.ref[Reader]] = []
        self._adopt(packing)

    @property
    def stored_bits(self) -> int:
        """Bytes held, times eight."""
        return self.bits.content.nbytes * 8

    def read_by(self, reader: Reader) -> None:
        """Tells it from now on, for as long as it lives."""
        self._readers.append(weakref.ref(reader))

    def _before_change(self, places: Iterable[int]) -> None:
        readers = [reader for ref in self._readers if (reader := ref()) and reader.source is self]
        self._readers = [weakref.ref(reader) for reader in readers]  # a copy of records has no reader yet
        for reader in readers:
            reader.set_aside(places)

    def _adopt(self, packing: Packing) -> None:
        self.packing = packing
        self.capacity = self.capacity_for(packing)

    def capacity_for(self, packing: Packing) -> int:
        """Records of `packing` that fit the budget."""
        return self.bits.limit_bytes * 8 // max(1, packing.record_bits)

    def limit(self, budget_bits: int) -> None:
        """Another budget, for which there may be too many records now: drop some, then `repack`. Raises
        `CodeError`, with nothing changed, where not one fits."""
        if budget_bits // 8 * 8 < (record := self.packing.record_bits):
            raise CodeError(
                f"budget_bits is {budget_bits}, but one record takes {record} bits in whole bytes: raise the "
                "budget or shorten the code"
            )
        self.budget_bits = budget_bits
        self.bits.limit_bytes = max(0, budget_bits) // 8
        self._adopt(self.packing)

    def read(self, places: Iterable[int]) -> tuple[Ints, Ints]:
        """Symbols [n, c] and fields [n, 2] of the records at `places` [n]."""
        width = self.packing.record_bits
        starts = np.asarray(list(places), np.int64) * width
        return self.packing.unpack(self.bits.gather(starts, width))

    def recall(self, places: Iterable[int]) -> Recollections:
        """The records at `places` [n] as tensors."""
        symbols, fields = self.read(places)
        return Recollections(
            symbols=torch.from_numpy(symbols),
            labels=torch.from_numpy(fields[:, 0].copy()),
            tasks=torch.from_numpy(fields[:, 1] - 1),  # the field holds 0 where no task was named
        )

    def append(self, symbols: NDArray[Any], fields: NDArray[Any]) -> None:
        """Puts records after the last one; the caller knows that they fit."""
        first = self.held
        self.held += len(symbols)
        self.write(range(first, self.held), symbols, fields)

    def take_bits(self, other: Records, *, held: int) -> None:
        """Into an empty one, the first `held` records of another, or as many as it holds, bit for bit; none
        where they are laid out otherwise."""
        layouts = [(records.packing.radices, records.packing.field_bits) for records in (self, other)]
        if layouts[0] == layouts[1]:
            self.held = min(held, other.held)
            bits = self.held * self.packing.record_bits
            self.bits.resize(bits)
            self.bits.content[:] = other.bits.content[: -(-bits // 8)]
            if bits % 8:
                self.bits.content[-1] &= (1 << bits % 8) - 1

    def write(self, places: Sequence[int], symbols: NDArray[Any], fields: NDArray[Any]) -> None:
        """Puts records at `places`, all of them below `held`, which the caller has raised for new ones."""
        self._before_change(places)
        self._put(places, self.packing.pack(symbols, fields), self.packing.record_bits)

    def _put(self, places: Sequence[int], records: Words, width: int) -> None:
        self.bits.resize(self.held * width, spare=True)
        if isinstance(places, range) and places.step == 1 and len(places) >= RUN:
            return self.bits.write_run(places.start * width, width, records)
        size, data = records.shape[1] * 8, records.astype("<u8", copy=False).tobytes()
        for row, place in enumerate(places):
            self.bits.write(
                place * width, width, int.from_bytes(data[row * size : (row + 1) * size], "little")
            )

    def label_at(self, place: int) -> int:
        """The label of one record, without unpacking the rest of it."""
        packing = self.packing
        return self.bits.read(place * packing.record_bits + packing.code_bits, packing.field_bits[0])

    def labels(self) -> Ints:
        """The labels of all records [held]."""
        return self.field(LABEL)

    def field(self, which: int) -> Ints:
        """One field of all records [held]; 0 where records have no such field."""
        packing, widths = self.packing, self.packing.field_bits
        if which >= len(widths):
            return np.zeros(self.held, np.int64)
        first = packing.code_bits + sum(widths[:which])
        starts = np.arange(self.held, dtype=np.int64) * packing.record_bits + first
        words = self.bits.gather(starts, widths[which])[:, 0]
        return (words & np.uint64((1 << widths[which]) - 1)).view(np.int64)

    @property
    def id_bits(self) -> int:
        """Of the field of ids; 0 where records have none."""
        return self.packing.field_bits[ID] if len(self.packing.field_bits) > ID else 0

    def drop(self, places: Iterable[int]) -> None:
        """Removes the records at `places`; records from the end move into the gaps."""
        leaving = set(places)
        kept, width = self.held - len(leaving), self.packing.record_bits
        self._before_change([*leaving, *range(kept, self.held)])
        moving = (place for place in range(kept, self.held) if place not in leaving)
        for gap in sorted(place for place in leaving if place < kept):
            self.bits.write(gap * width, width, self.bits.read(next(moving) * width, width))
        self.held = kept
        self.bits.resize(kept * width)

    def rewrite(self, change: Callable[[Ints], Ints]) -> None:
        """Other fields [n, fields] for every record; each fits its width."""
        for start in range(0, self.held, CHUNK):
            places = range(start, min(self.held, start + CHUNK))
            symbols, fields = self.read(places)
            self.write(places, symbols, change(fields))

    def repack(self, packing: Packing, translate: Callable[[Tensor], Tensor] | None = None) -> None:
        """Re-writes every record under `packing`, in place; the caller has made room for it by `drop`.

        If `translate` raises after some records were written, old and new look alike: all are dropped.
        """
        width, old = packing.record_bits, self.packing
        if translate is not None:
            self._before_change(range(self.held))
        wider = width > old.record_bits
        starts = range(0, self.held, CHUNK)
        self.bits.resize(self.held * max(width, old.record_bits))
        try:
            # Wider ones from the end, narrower ones from the start: no write reaches a record not yet read.
            for start in reversed(starts) if wider else starts:
                places = range(start, min(self.held, start + CHUNK))
                symbols, fields = self.read(places)
                if translate is not None:
                    symbols = translate(torch.from_numpy(symbols)).detach().cpu().numpy()
                added = len(packing.field_bits) - fields.shape[1]
                self._put(places, packing.pack(symbols, np.pad(fields, ((0, 0), (0, added)))), width)
        except BaseException:
            self.drop(range(self.held))
            raise
        self._adopt(packing)
        self.bits.resize(self.held * width)

    def state(self) -> dict[str, Tensor]:
        """Copies of the bytes in use and of the radices; `held` and the widths of the fields are the
        caller's.
        """
        used = -(-self.held * self.packing.record_bits // 8)
        return {
            "records": torch.from_numpy(self.bits.content[:used].copy()),
            "radices": torch.tensor(self.packing.radices),
        }

    @classmethod
    def restored(
        cls, state: Mapping[str, Tensor], *, budget_bits: int, held: int, field_bits: Sequence[int]
    ) -> Self:
        """The records saved as `state`; the caller drops what exceeds `budget_bits`. Raises `CodeError`."""
        content, packing = state["records"], Packing(state["radices"].tolist(), field_bits)
        expected = -(-held * packing.record_bits // 8)
        if content.dtype != torch.uint8 or content.shape != (expected,):
            raise CodeError(
                f"records {list(content.shape)} {content.dtype}: expected [{expected}] bytes "
                f"for {held} records of {packing.record_bits} bits"
            )
        records = cls(budget_bits=budget_bits, packing=packing)
        records.bits.content, records.held = content.cpu().numpy().copy(), held
        return records
