"""Prequential accuracy, in a sliding window: each example is predicted, then learned (Gama et al., 2013).
Beside it that of the no-change classifier, without which it tells little of a stream in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any


class Prequential:
    """The fraction of right answers among the last `window` examples, and counts over the whole stream."""

    def __init__(self, *, window: int) -> None:
        self.window = window
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


class NoChange(Prequential):
    """The same of a classifier that says of each example the label of the one before (Bifet et al., 2013):
    what is not above it may follow the order of the stream, and know nothing. `last` is that label's index;
    None before the first."""

    last: int | None = None

    def follow(self, labels: Sequence[int]) -> None:
        """Adds the indices of labels in the order of the stream."""
        before = [self.last, *labels]
        self.update([former == label for former, label in zip(before, labels, strict=False)])
        self.last = before[-1]

    def forget(self, index: int) -> None:
        """A label of which nothing is to be known any more."""
        self.last = None if self.last == index else self.last

    def state(self) -> dict[str, Any]:
        return super().state() | {"last": self.last}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.last = state["last"]
