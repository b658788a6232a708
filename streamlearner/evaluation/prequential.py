"""Prequential accuracy, in a sliding window: each example is predicted, then learned (Gama et al., 2013)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any


class Prequential:
    """The fraction of right answers among the last `window` examples, and counts over the whole stream."""

    def __init__(self, *, window: int) -> None:
        self._hits: deque[bool] = deque(maxlen=window)
        self.seen = 0
        self.right = 0
        self._right_in_window = 0

    def update(self, hits: Sequence[bool]) -> None:
        """Adds examples in the order of the stream: True where the prediction before learning was right."""
        for hit in hits:
            self._right_in_window += hit - (self._hits[0] if self.is_full else 0)
            self._hits.append(hit)
            self.seen += 1
            self.right += hit

    @property
    def accuracy(self) -> float | None:
        """Over the window; None before the first example."""
        return self._right_in_window / len(self._hits) if self._hits else None

    @property
    def is_full(self) -> bool:
        """True once the window holds `window` examples; before, a fall of the accuracy may be noise."""
        return len(self._hits) == self._hits.maxlen

    def state(self) -> dict[str, Any]:
        """JSON state: the window as text of 0 and 1, oldest first."""
        hits = "".join("1" if hit else "0" for hit in self._hits)
        return {"hits": hits, "seen": self.seen, "right": self.right}

    def restore(self, state: dict[str, Any]) -> None:
        """Loads `state()`. Where the window is shorter now, the newest hits are kept."""
        self._hits = deque((hit == "1" for hit in state["hits"]), maxlen=self._hits.maxlen)
        self._right_in_window = sum(self._hits)
        self.seen, self.right = int(state["seen"]), int(state["right"])
