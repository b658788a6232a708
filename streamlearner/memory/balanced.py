"""The recollection memory that favours rare classes: the largest class makes room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from streamlearner.memory.class_index import ClassIndex
from streamlearner.memory.mergeable import MergeableMemory
from streamlearner.memory.packing import CodeError
from streamlearner.memory.proportions import Sampled, capped, drawn_counts, largest_sample
from streamlearner.memory.reservoir import RecollectionMemory


class BalancedRecollectionMemory(RecollectionMemory):
    """Keeps the classes as equal as the stream allows, and inside each class a uniform sample of what was
    seen of it.

    Class-balancing reservoir sampling (Chrysakis and Moens, "Online continual learning from imbalanced data",
    2020). An example of a class that has lost nothing and is not the largest takes the place of a random
    record of the largest class; any other takes the place of one of its own, with the probability that keeps
    its class uniform.

    Differs: the paper marks a class "full" once it was the largest and remembers the mark; here a class is
    full if it is the largest or has lost records, which marks the same classes and needs no memory. It also
    evicts, merges and refills by class. Beside the buffer it always holds the class index and one count per
    class seen.
    """

    STATE: ClassVar[tuple[str, ...]] = (*RecollectionMemory.STATE, "seen_by_class")

    def __init__(self, *, budget_bits: int, radices: Iterable[int], generator: torch.Generator) -> None:
        super().__init__(budget_bits=budget_bits, radices=tuple(radices), generator=generator)
        self._seen_by_class: dict[int, int] = {}

    def _choose(self, classes: list[int]) -> dict[int, int]:
        self._classes()
        return super()._choose(classes)

    def _place(self, label: int, draw: float, seen: int) -> int:
        index, records = self._classes(), self._records
        own, before = index.places(label), self._seen_by_class.get(label, 0)
        self._seen_by_class[label] = before + 1
        if records.held < records.capacity:
            return records.held if len(own) == before or draw * before < max(len(own), 1) else -1
        if (
            not own and before
        ):  # all of its records made room for others: come back with the probability that is due
            draw *= before + 1
            return index.of_largest(draw) if draw < 1 else -1
        if len(own) == before and len(own) < index.largest:
            return index.of_largest(draw)
        chosen = int(draw * (before + 1))
        return own[chosen] if chosen < len(own) else -1

    def discard(self, classes: Collection[int]) -> None:
        super().discard(classes)
        for label in classes:
            self._seen_by_class.pop(label, None)
        self._seen = sum(self._seen_by_class.values())

    def _remove(self, leaving: list[int], *, one_by_one: bool = False) -> None:
        before = self.counts()
        labels = self._records.labels()[leaving].tolist()
        super()._remove(leaving, one_by_one=one_by_one)
        for label, gone in Counter(labels).items():
            seen, left = self._seen_by_class.get(label, 0), before[label] - gone
            seen = seen - gone if one_by_one else seen * left // before[label]
            self._seen_by_class[label] = max(seen, left)
            if not self._seen_by_class[label]:
                del self._seen_by_class[label]
        self._seen = sum(self._seen_by_class.values())

    def _victims(self, count: int) -> Iterable[int]:
        """One by one from whichever class is then the largest."""
        index, victims = ClassIndex(self._records.labels()), []
        for draw in torch.rand(count, dtype=torch.float64, generator=self._generator).tolist():
            place = index.of_largest(draw)
            index.remove(place, self._records.label_at(place))
            victims.append(place)
        return victims

    def _union(self, memories: Sequence[MergeableMemory], capacity: int) -> list[list[int]]:
        """Class by class, as many of each as fit when the largest are capped."""
        found = [memory for memory in memories if isinstance(memory, BalancedRecollectionMemory)]
        labels = sorted(set().union(*(memory._seen_by_class for memory in found)))
        indices = [memory._classes(keep=memory is self) for memory in found]
        samples = [
            [
                Sampled(len(index.places(label)), memory._seen_by_class.get(label, 0))
                for memory, index in zip(found, indices, strict=True)
            ]
            for label in labels
        ]
        rooms = capped([largest_sample(shards) for shards in samples], capacity, self._generator)
        kept: list[list[int]] = [[] for _ in found]
        for label, shards, room in zip(labels, samples, rooms, strict=True):
            counts = drawn_counts([seen for _, seen in shards], room, self._generator)
            for places, index, count in zip(kept, indices, counts, strict=True):
                held = index.places(label)
                places.extend(held[nth] for nth in self._shuffled(len(held))[:count])
            self._seen_by_class[label] = sum(seen for _, seen in shards)
        return kept

    def relabel(self, classes: Mapping[int, int], tasks: Mapping[int, int] | None = None) -> None:
        super().relabel(classes, tasks)
        self._seen_by_class = {classes[label]: seen for label, seen in self._seen_by_class.items()}

    def _state(self) -> dict[str, Tensor]:
        seen = sorted(self._seen_by_class.items())
        return {**super()._state(), "seen_by_class": torch.tensor(seen, dtype=torch.int64).reshape(-1, 2)}

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        seen = state["seen_by_class"]
        if seen.dtype != torch.int64 or seen.ndim != 2 or seen.shape[1] != 2:
            raise CodeError(f"seen_by_class {list(seen.shape)} {seen.dtype}: expected int64 [classes, 2]")
        super()._restore(state)
        self._seen_by_class = {label: count for label, count in seen.tolist()}
