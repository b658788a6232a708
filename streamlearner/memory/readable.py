"""What can be read of a recollection memory: samples, classes, counts."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import torch

from streamlearner.memory.class_index import ClassIndex
from streamlearner.memory.drawn_places import drawn_places
from streamlearner.memory.fields import ID
from streamlearner.memory.records import Recollections, Records
from streamlearner.memory.tensor_state import TensorState


class ReadableMemory(TensorState):
    """Packed records with labels, of which a class index is derived where one is needed."""

    budget_bits: int
    _generator: torch.Generator
    _records: Records
    _seen: int
    _index: ClassIndex | None

    def __len__(self) -> int:
        return self._records.held

    @property
    def seen(self) -> int:
        """Examples ever inserted, kept or not."""
        return self._seen

    @property
    def radices(self) -> tuple[int, ...]:
        """Values per symbol of the codes held now."""
        return self._records.packing.radices

    @property
    def record_bits(self) -> int:
        """Bits of one record: code, label, task and id."""
        return self._records.packing.record_bits

    @property
    def capacity(self) -> int:
        """Records that fit the budget at the present record width."""
        return self._records.capacity

    @property
    def stored_bits(self) -> int:
        """Bytes held by the buffer, times eight; at most `budget_bits`."""
        return self._records.stored_bits

    @property
    def index_bytes(self) -> int:
        """Bytes of the derived class index; 0 until something asked for balanced classes."""
        return self._index.nbytes if self._index else 0

    def seed(self, seed: int) -> None:
        """All draws from now on follow from it."""
        self._generator.manual_seed(seed)

    def counts(self) -> dict[int, int]:
        """Records held of each class index, ascending; reads all labels unless the class index exists."""
        return self._classes(keep=False).counts()

    @property
    def without_id(self) -> int:
        """Records of examples that named no id: no erasure by id finds them."""
        return int((self._records.field(ID) == 0).sum())

    def sample(self, n: int, generator: torch.Generator | None = None) -> Recollections:
        """`n` records, uniformly: all different where n <= len(self), else with replacement; none from an
        empty one. Draws from `generator`, or from the memory's own."""
        return self._records.recall(drawn_places(n, held=len(self), generator=generator or self._generator))

    def sample_balanced(
        self, n: int, generator: torch.Generator | None = None, *, below: int | None = None
    ) -> Recollections:
        """`n` records: each time a class uniformly, then one of its records uniformly (with replacement). Of
        the classes with indices below `below` alone, where it is given; none where none of them is held."""
        index = self._classes()
        among = len(index.classes) if below is None else index.below(below)
        n, source = max(n, 0) if among else 0, generator or self._generator
        draws = torch.rand(n, dtype=torch.float64, generator=source)
        return self._records.recall([index.balanced(draw, among=among) for draw in draws.tolist()])

    def sample_of(self, label: int, n: int, generator: torch.Generator) -> Recollections:
        """`n` records of one class, of which some are held, uniformly with replacement."""
        places = self._classes().places(label)
        drawn = torch.randint(len(places), (n,), generator=generator)
        return self._records.recall([places[nth] for nth in drawn.tolist()])

    def contents(self) -> Recollections:
        """Everything held, in order of place (symbols take 8 bytes each here)."""
        return self._records.recall(range(len(self)))

    def in_order(self, size: int) -> Iterator[Recollections]:
        """Everything held, in order of place, so many at once."""
        for start in range(0, len(self), size):
            yield self._records.recall(range(start, min(start + size, len(self))))

    def spread(self, most: int) -> Recollections:
        """Up to so many records, from places evenly spread over all."""
        held = len(self)
        chosen = min(most, held)
        places: list[int] = (np.arange(chosen, dtype=np.int64) * held // max(1, chosen)).tolist()
        return self._records.recall(places)

    def by_class(
        self, most: int | None = None, *, only: Collection[int] | None = None
    ) -> Iterator[tuple[int, Recollections]]:
        """Each class held, or held and in `only`, ascending, with its first `most` records in order of
        place. Reads all labels, like `counts`; unpacks what it gives, in turn."""
        index = self._classes(keep=False)
        for label in index.classes if only is None else sorted(set(only).intersection(index.classes)):
            yield label, self._records.recall(index.places(label)[:most])

    def _classes(self, *, keep: bool = True) -> ClassIndex:
        if self._index is not None:
            return self._index
        index = ClassIndex(self._records.labels())
        if keep:
            self._index = index
        return index
