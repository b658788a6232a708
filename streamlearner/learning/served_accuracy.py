"""Accuracy of what is served, overall and by class, over as long as it did not change; and where it fell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from streamlearner.evaluation.adaptive_window import AdaptiveWindow, Change

SAME_FALL = 200
"""Answers, overall or of a class, within which a further fall is the same one, seen again."""
CHECK_CLASS_EVERY = 8
"""Answers of one class between two checks: they come more rarely than those of all."""

LATELY = 200
"""Examples after a fall in which learning is faster."""
OVERALL = -1


class Fall(NamedTuple):
    """Accuracy fell, of one class, or of all answers (`label` None)."""

    label: str | None
    change: Change


class ServedAccuracy:
    """Watches the answers that were served before their examples were learned.

    A rise is no news; a fall is counted: what labels mean changed, or how a class looks, or it was forgotten
    and comes again. `falls` counts them; `last` is the last one, as `document` shows it.
    """

    def __init__(self) -> None:
        self.overall = AdaptiveWindow()
        self.by_class: dict[int, AdaptiveWindow] = {}
        self.seen_at: dict[int, int] = {}  # by class: examples learned before its last batch
        self.fell_at: dict[int, int] = {}  # by class, OVERALL for all; in answers of it
        self.falls = 0
        self.last: dict[str, Any] | None = None

    def update(
        self, hits: Sequence[bool], classes: Sequence[int], *, name: Callable[[int], object], learned: int
    ) -> list[Fall]:
        """Adds answers in the order of the stream; the falls that they show. `name` gives a class's label;
        `learned` is how many examples were learned before."""
        found: list[Fall] = []
        self.seen_at |= dict.fromkeys(classes, learned)
        for hit, index in zip(hits, classes, strict=True):
            window = self.by_class.get(index)
            if window is None:
                window = self.by_class[index] = AdaptiveWindow(check_every=CHECK_CLASS_EVERY)
            if (change := self.overall.add(hit)) and self._is_fall(change, OVERALL, self.overall):
                found.append(Fall(None, change))
            if (change := window.add(hit)) and self._is_fall(change, index, window):
                found.append(Fall(str(name(index)), change))
        if found:
            self.falls += len(found)
            label, change = found[-1]
            self.last = {"class": label, "before": change.before, "after": change.after, "learned": learned}
        return found

    def forget(self, index: int) -> None:
        """All that was answered for a class."""
        for by_class in (self.by_class, self.seen_at, self.fell_at):
            by_class.pop(index, None)

    def _is_fall(self, change: Change, index: int, window: AdaptiveWindow) -> bool:
        """Whether it is one, and none that was counted already."""
        if change.after >= change.before:
            return False
        before = self.fell_at.get(index)
        self.fell_at[index] = window.seen
        return before is None or window.seen - before > SAME_FALL

    def fell_lately(self, learned: int) -> bool:
        """Whether there was a fall a short while ago; `learned` is how many examples were learned."""
        return self.last is not None and learned - self.last["learned"] < LATELY

    def ages(self, learned: int) -> dict[int, int]:
        """By class, how many examples ago it was last seen; `learned` is how many were learned."""
        return {index: learned - at for index, at in self.seen_at.items()}

    def rates(self) -> dict[int, float]:
        """By class."""
        return {index: window.rate for index, window in self.by_class.items() if window.rate is not None}

    def document(self, name: Callable[[int], object]) -> dict[str, Any]:
        """For the status."""
        by_class = {str(name(index)): rate for index, rate in self.rates().items()}
        return {
            "overall": self.overall.rate,
            "by_class": by_class,
            "falls": self.falls,
            "last_fall": self.last,
        }

    def state(self) -> dict[str, Any] | None:
        """JSON; None before the first answer."""
        if not self.overall.seen:
            return None
        return {
            "overall": self.overall.state(),
            "by_class": [[index, window.state()] for index, window in self.by_class.items()],
            "fell_at": [list(item) for item in self.fell_at.items()],
            "seen_at": [list(item) for item in self.seen_at.items()],
            "falls": self.falls,
            "last": self.last,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.overall.restore(state["overall"])
        self.by_class = {
            index: AdaptiveWindow(check_every=CHECK_CLASS_EVERY) for index, _ in state["by_class"]
        }
        for index, held in state["by_class"]:
            self.by_class[index].restore(held)
        self.fell_at, self.seen_at = dict(state["fell_at"]), dict(state.get("seen_at", []))
        self.falls, self.last = state["falls"], state["last"]
