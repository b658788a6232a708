"""A source in memory: for tests (markers crash or end a run) and for benches (a poll is one slice)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from streamlearner.errors import ConfigError, PositionLost
from streamlearner.stream import Message, Position, Source, Surroundings, refuse_other


class CrashMarker(RuntimeError):
    """The stand-in for a crash: raised by `poll` where the backlog holds a `Crash`."""


@dataclass(slots=True)
class Crash:
    """Among messages: the poll that reaches it raises `CrashMarker`. Once: a restart passes it."""

    reached: bool = False


@dataclass(slots=True)
class End:
    """Among messages: the run that reaches it finds the source exhausted. Once: the next `open` passes it."""

    reached: bool = False


class MemorySource(Source):
    """Messages from a sequence, in its order; position `{"index": messages taken}`, markers not counted.

    `append` may be called from any thread; the rest, as for every Source, from one. With `finite=False` a
    poll waits for what `append` brings. `outage = True` plays a lost broker: polls are empty, `connected`
    is False. `committed` and `released` hold the last positions that were passed, for a test to look at.
    """

    def __init__(
        self, messages: Sequence[Message | Crash | End] = (), *, finite: bool = True, name: str = "memory"
    ) -> None:
        self.name = name
        self.finite = finite
        self.outage = False
        self.committed: Position | None = None
        self.released: Position | None = None
        self._messages: list[Message] = []
        self._markers: list[tuple[int, Crash | End]] = []
        self._index = 0
        self._paused = False
        self._ended = False
        self._changed = threading.Condition()
        self.extend(messages)

    def append(self, message: Message | Crash | End) -> None:
        """Adds one at the end and wakes a poll that waits for it."""
        self.extend((message,))

    @classmethod
    def build(cls, settings: Any, surroundings: Surroundings) -> Self:
        raise ConfigError(
            "source.type memory is for tests, which hand their source to app.build; use push, kafka or files"
        )

    def extend(self, messages: Iterable[Message | Crash | End]) -> None:
        """Adds many at the end, in order."""
        with self._changed:
            for entry in messages:
                if isinstance(entry, Message):
                    self._messages.append(entry)
                else:
                    self._markers.append((len(self._messages), entry))
            self._changed.notify_all()

    def open(self, position: Position | None) -> None:
        if position is not None:
            refuse_other(position, ("index",), name=self.name)
        index = 0 if position is None else position["index"]
        if not isinstance(index, int) or not 0 <= index <= len(self._messages):
            raise PositionLost(
                f"{self.name}: position {position!r} is outside of the {len(self._messages)} messages held; "
                "open with None to begin anew, or with a position of these messages"
            )
        self._index = index
        self._ended = False

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        if max_messages < 1:
            raise ConfigError(f"{self.name}: poll asks for {max_messages} messages; expected at least 1")
        if self._paused or self.outage or (self._at_end() and not self.exhausted):
            self._wait(timeout_s)
        if self._paused or self.outage:
            return []
        stop = self._index + max_messages
        if self._markers:
            stop = min(stop, self._next_marker())
        if self._ended:
            return []
        taken = self._messages[self._index : stop]
        self._index += len(taken)
        return taken

    @property
    def position(self) -> Position:
        return {"index": self._index}

    def commit(self, position: Position) -> None:
        self.committed = position

    def release(self, position: Position) -> None:
        self.released = position

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def lag(self) -> dict[int, int]:
        return {0: len(self._messages) - self._index}

    def close(self) -> None:
        """Nothing to free; the messages stay, so a test can open the same object again."""

    @property
    def connected(self) -> bool:
        return not self.outage

    @property
    def exhausted(self) -> bool:
        return self._ended or (self.finite and self._at_end())

    def _at_end(self) -> bool:
        """No message and no marker is left."""
        return self._index >= len(self._messages) and all(marker.reached for _, marker in self._markers)

    def _wait(self, timeout_s: float) -> None:
        with self._changed:
            if self._paused or self.outage or self._at_end():
                self._changed.wait(timeout_s)

    def _next_marker(self) -> int:
        """Where this poll must stop; acts on a marker that stands right here."""
        for at, marker in self._markers:
            if marker.reached or at < self._index:
                continue
            if at > self._index:
                return at
            marker.reached = True
            if isinstance(marker, Crash):
                raise CrashMarker(f"{self.name}: crash marker before message {at}")
            self._ended = True
            return at
        return len(self._messages)
