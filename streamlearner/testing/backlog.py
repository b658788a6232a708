"""What a source is tried on: so many messages, and more sources over them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from streamlearner.stream import Message, Position, Source

LEAST = 12
"""Messages; the suite stops and goes on among them."""


@dataclass
class Backlog:
    """A backlog of `count` messages, at least `LEAST`, each of another value.

    `connect` makes one more Source over it, not opened. `alien` is a position that the same kind of source
    may have and that means nothing here. `timeout_s` is that of one poll.
    """

    connect: Callable[[], Source]
    count: int
    alien: Position | None
    finite: bool = True
    timeout_s: float = 0.01
    opens_slowly: bool = False
    cleanup: Callable[[], None] = lambda: None
    sources: list[Source] = field(default_factory=list)

    def open(self, position: Position | None = None) -> Source:
        source = self.connect()
        self.sources.append(source)
        source.open(position)
        return source

    def polls(self, source: Source, max_messages: int) -> Iterator[list[Message]]:
        """Polls that gave something, until one is empty with nothing left: a broker may answer late."""
        for _ in range(1000):
            if polled := source.poll(max_messages, self.timeout_s):
                yield polled
            elif not any(source.lag().values()):
                return

    def drain(self, source: Source, max_messages: int = 23) -> list[Message]:
        """All that follows."""
        return list(itertools.chain.from_iterable(self.polls(source, max_messages)))

    def take(self, source: Source, count: int) -> list[Message]:
        """The next `count` messages, however many polls they take."""
        messages: list[Message] = []
        for polled in self.polls(source, 1):
            messages += polled
            if len(messages) == count:
                break
        return messages

    def close(self) -> None:
        for source in self.sources:
            source.close()
        self.cleanup()
