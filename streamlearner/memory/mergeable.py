"""A recollection memory that takes in others, as if it had seen all that they saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest

import numpy as np

from streamlearner.memory.fields import LABEL, NO_TASK, TASK
from streamlearner.memory.lendable import LendableMemory
from streamlearner.memory.packing import CodeError, Ints, Packing
from streamlearner.memory.proportions import Sampled, drawn_counts, largest_sample
from streamlearner.memory.records import CHUNK


class MergeableMemory(LendableMemory):
    """`merge` takes in any number of others in any order; `relabel` gives classes and tasks the indices that
    they have elsewhere."""

    def merge(self, *others: MergeableMemory) -> None:
        """Takes in memories of the same kind and radices, which stay as they are.

        What is held then is distributed as if this one had seen all: how many come from each is drawn from
        what each has seen (multivariate hypergeometric), and of each they are chosen uniformly. It holds as
        many as it would alone, but no more than any that has lost some. Raises `CodeError` for another kind,
        other radices, or ids of other widths.
        """
        self._check_mergeable(others)
        self.own()
        widths = [memory._records.packing.field_bits for memory in (self, *others)]
        packing = Packing(self.radices, [max(field) for field in zip_longest(*widths, fillvalue=0)])
        own, *coming = self._union((self, *others), self._records.capacity_for(packing))
        self._index = None
        self._records.drop(set(range(len(self))).difference(own))
        self._records.repack(packing)
        self._seen += sum(other.seen for other in others)
        for other, places in zip(others, coming, strict=True):
            for start in range(0, len(places), CHUNK):
                symbols, fields = other._records.read(places[start : start + CHUNK])
                absent = len(packing.field_bits) - fields.shape[1]
                self._records.append(symbols, np.pad(fields, ((0, 0), (0, absent))))

    def _check_mergeable(self, others: Sequence[MergeableMemory]) -> None:
        own_id_bits = self._records.id_bits
        for other in others:
            if type(other) is not type(self) or other.radices != self.radices or other is self:
                kinds = [f"{type(it).__name__} of {len(it.radices)} symbols" for it in (other, self)]
                raise CodeError(
                    f"cannot merge {kinds[0]} into {kinds[1]}: expected the same kind and radices"
                )
            if 0 < own_id_bits != other._records.id_bits > 0:
                raise CodeError(f"cannot merge ids of {other._records.id_bits} and {own_id_bits} bits")
            own_id_bits = own_id_bits or other._records.id_bits

    def _union(self, memories: Sequence[MergeableMemory], capacity: int) -> list[list[int]]:
        """The places of each memory whose records are held afterwards."""
        samples = [Sampled(len(memory), memory.seen) for memory in memories]
        total = min(capacity, largest_sample(samples))
        counts = drawn_counts([seen for _, seen in samples], total, self._generator)
        return [self._shuffled(len(memory))[:n] for memory, n in zip(memories, counts, strict=True)]

    def relabel(self, classes: Mapping[int, int], tasks: Mapping[int, int] | None = None) -> None:
        """Class index `k` becomes `classes[k]`, and that of a task likewise. Where fields widen, records
        chosen as ever leave first."""
        highest = max(classes.values(), default=0), max((tasks or {}).values(), default=NO_TASK) + 1
        self.own()
        self._widen(highest[0].bit_length(), highest[1].bit_length(), 0)
        self._records.rewrite(partial(_renamed, classes=classes, tasks=tasks or {}))
        self._index = None

    def _widen(self, label: int, task: int, id: int) -> None:
        raise NotImplementedError

    def _shuffled(self, count: int) -> list[int]:
        raise NotImplementedError


def _renamed(fields: Ints, *, classes: Mapping[int, int], tasks: Mapping[int, int]) -> Ints:
    found = fields.copy()
    found[:, LABEL] = [classes[label] for label in fields[:, LABEL].tolist()]
    if tasks:
        found[:, TASK] = [tasks.get(field - 1, NO_TASK) + 1 for field in fields[:, TASK].tolist()]
    return found
