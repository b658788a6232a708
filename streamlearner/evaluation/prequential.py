"""Prequential accuracy: each example is first a test, then a lesson (Gama et al., 2013), over a sliding window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Prequential:
    """The share of right answers among the last `window` examples, and over the whole stream."""

    def __init__(self, *, window: int) -> None:
        self._hits = np.zeros(window, dtype=bool)
        self.seen = 0
        self.right = 0
        self._right_in_window = 0

    def update(self, hits: Sequence[bool]) -> None:
        """Counts examples, in the order of the stream: True where the answer before learning was right."""
        for hit in hits:
            place = self.seen % len(self._hits)
            self._right_in_window += int(hit) - (int(self._hits[place]) if self.seen >= len(self._hits) else 0)
            self._hits[place] = hit
            self.seen += 1
            self.right += int(hit)

    @property
    def accuracy(self) -> float | None:
        """Over the window; None before the first example."""
        return self._right_in_window / min(self.seen, len(self._hits)) if self.seen else None

    @property
    def settled(self) -> bool:
        """True once the window is full, so that a fall is a fall and not noise."""
        return self.seen >= len(self._hits)

    def state(self) -> dict[str, Any]:
        """JSON state: the window as text of 0 and 1, oldest place first."""
        hits = "".join("1" if hit else "0" for hit in self._hits)
        return {"hits": hits, "seen": self.seen, "right": self.right}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over `state()`; another window length keeps the newest hits that fit."""
        former, seen = [c == "1" for c in state["hits"]], int(state["seen"])
        if len(former) == len(self._hits):
            self._hits[:] = former
        else:
            newest = [former[i % len(former)] for i in range(max(0, seen - len(former)), seen)][-len(self._hits) :]
            for back, hit in enumerate(reversed(newest), start=1):
                self._hits[(seen - back) % len(self._hits)] = hit
        self.seen, self.right = seen, int(state["right"])
        self._right_in_window = int(self._hits[: min(seen, len(self._hits))].sum())
