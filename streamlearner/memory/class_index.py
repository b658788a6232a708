"""Which places of a memory hold which class: working memory, derived from the stored labels and never saved.

Everything is kept sorted, so the index depends on what the memory holds and not on how it came to hold it:
one rebuilt after a restart makes the same random choices as the one that was lost.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort

import numpy as np
from numpy.typing import NDArray


class ClassIndex:
    """Places by class, and classes by their number of places. `labels` [n] are the classes at places 0 to n -
    1.

    Costs 4 bytes a place. Adding or removing one moves at most the rest of its class's list (4 bytes each).
    """

    def __init__(self, labels: NDArray[np.int64]) -> None:
        order = np.argsort(labels, kind="stable")
        found, starts = np.unique(labels[order], return_index=True)
        runs = np.split(order.astype(np.int32), starts[1:])
        self.classes: list[int] = found.tolist()
        self._places = {
            label: array("i", run.tobytes()) for label, run in zip(self.classes, runs, strict=False)
        }
        self._by_size: dict[int, list[int]] = {}
        for label in self.classes:
            self._by_size.setdefault(len(self._places[label]), []).append(label)
        self.largest = max(self._by_size, default=0)

    @property
    def nbytes(self) -> int:
        """Bytes of the lists of places."""
        return sum(places.itemsize * len(places) for places in self._places.values())

    def places(self, label: int) -> array[int]:
        """The places of one class, ascending; to be read, not changed."""
        return self._places.get(label) or array("i")

    def counts(self) -> dict[int, int]:
        """Places per class, ascending by class."""
        return {label: len(self._places[label]) for label in self.classes}

    def below(self, label: int) -> int:
        """How many classes of lower index are held."""
        return bisect_left(self.classes, label)

    def balanced(self, draw: float, *, among: int | None = None) -> int:
        """A place by one draw from [0, 1): a class uniformly, then one of its places uniformly. Of the first
        `among` classes, at least one, or of all."""
        which, rest = divmod(draw * (len(self.classes) if among is None else among), 1)
        places = self._places[self.classes[int(which)]]
        return places[int(rest * len(places))]

    def of_largest(self, draw: float) -> int:
        """A place of the largest classes, uniformly by one draw from [0, 1); -1 where nothing is held."""
        if not self.largest:
            return -1
        classes = self._by_size[self.largest]
        which, nth = divmod(int(draw * len(classes) * self.largest), self.largest)
        return self._places[classes[which]][nth]

    def add(self, place: int, label: int) -> None:
        """`place` now holds `label`."""
        if label not in self._places:
            self._places[label] = array("i")
            insort(self.classes, label)
        insort(self._places[label], place)
        self._resized(label, len(self._places[label]) - 1)

    def remove(self, place: int, label: int) -> None:
        """`place` no longer holds `label`."""
        places = self._places[label]
        del places[bisect_left(places, place)]
        self._resized(label, len(places) + 1)
        if not places:
            del self._places[label]
            del self.classes[bisect_left(self.classes, label)]

    def _resized(self, label: int, before: int) -> None:
        after = len(self._places[label])
        if before:
            peers = self._by_size[before]
            del peers[bisect_left(peers, label)]
            if not peers:
                del self._by_size[before]
        if after:
            insort(self._by_size.setdefault(after, []), label)
        if after > self.largest or (before == self.largest and before not in self._by_size):
            self.largest = after
