"""Clients in a closed loop: who was answered just now and will ask again at once, as it did before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

PROMPT_S = 0.002
"""From an answer to the next request of a client that sends it as soon as it has the answer, less what this
process worked meanwhile: in a crowd a request waits for all the others to be decoded."""
PROVEN = 2
"""A connection that did so often in a row is expected to."""
DISTRUSTED = 8
"""So many more, once it was waited for in vain."""


def idle_s() -> float:
    """Seconds, since some moment, in which this thread did not work."""
    return time.perf_counter() - time.thread_time()


@dataclass(slots=True)
class Returning:
    """By the number of their connections. `clock` is `idle_s`."""

    clock: Callable[[], float]
    _answered_s: dict[int, float] = field(default_factory=dict)
    _streaks: dict[int, int] = field(default_factory=dict)
    _expected: set[int] = field(default_factory=set)
    _last_s: float = float("-inf")

    def answered(self, connection: int) -> None:
        self._answered_s[connection] = self._last_s = self.clock()
        if self._streaks.get(connection, 0) >= PROVEN:
            self._expected.add(connection)

    def asks(self, connection: int) -> None:
        self._expected.discard(connection)
        since_s = self._answered_s.pop(connection, None)
        if since_s is not None:
            streak = self._streaks.get(connection, 0)
            is_prompt = self.clock() - since_s < PROMPT_S
            self._streaks[connection] = streak + 1 if is_prompt else min(streak, 0)

    @property
    def are_due(self) -> bool:
        """Whether any is expected any moment."""
        if self._expected and self.clock() - self._last_s > PROMPT_S:
            self._expected.clear()  # nobody waited for them
        return bool(self._expected)

    def were_late(self) -> None:
        """They were waited for in vain."""
        self._streaks.update(dict.fromkeys(self._expected, -DISTRUSTED))
        self._expected.clear()

    def left(self, connection: int) -> None:
        """It is no more, or no longer here."""
        self._expected.discard(connection)
        self._answered_s.pop(connection, None)
        self._streaks.pop(connection, None)
