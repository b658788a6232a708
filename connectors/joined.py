"""A source, and beside it the labels that came later: one stream, in one order that a replay repeats."""

from __future__ import annotations

import json
import os
from collections import deque
from pathlib import Path
from typing import NamedTuple

from streamlearner.connectors.push.log import PushLog
from streamlearner.connectors.push.source import PushSource
from streamlearner.stream import Message, Position, Source

TOPIC = "labels"
PARTITION = -1
"""Under which the lag of labels is told: those of sources count from 0."""


class Take(NamedTuple):
    """The records `begin` to `end` of the log of labels came after `at`, a position of the source."""

    at: Position
    begin: int
    end: int


class JoinedSource(Source):
    """`source`, whose messages are joined by those of `log` as soon as they are there, before any other:
    there are never more than predictions that waited.

    Where they came in is written to `path` before they are given, so that a replay gives them at the same
    place. (Were that file lost, they would come elsewhere, once.) As long as no label came the position is
    that of `source` alone.
    """

    def __init__(self, source: Source, log: PushLog, *, path: Path) -> None:
        self.name = source.name
        self._source = source
        self.begins_now = source.begins_now
        self._labels = PushSource(log, name=TOPIC)
        self._first = {"log": log.log, "offset": 1}
        self._path = path
        self._again: deque[Take] = deque()
        self._paused = False

    def open(self, position: Position | None) -> None:
        joined = position is not None and position.keys() == {"labels", "source"}
        labels = position["labels"] if position is not None and joined else None
        self._source.open(position["source"] if position is not None and joined else position)
        self._labels.open(labels)
        taken = self._labels.position["offset"]
        self._again = deque(take for take in self._read() if take.end > taken)

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        if self._paused:
            return self._source.poll(max_messages, timeout_s)
        if self._again:
            return self._repeat(max_messages, timeout_s)
        return self._take(max_messages) or self._source.poll(max_messages, timeout_s)

    def _take(self, max_messages: int) -> list[Message]:
        waiting = self._labels.lag()[0]
        if not waiting:
            return []
        begin = self._labels.position["offset"]
        take = Take(self._source.position, begin, begin + min(waiting, max_messages))
        line = json.dumps(take).encode() + b"\n"
        with open(
            self._path, "ab"
        ) as file:  # the write outlives a kill; the position is what must not be lost
            file.write(line)
        return self._labels.poll(take.end - take.begin, 0.0)

    def _repeat(self, max_messages: int, timeout_s: float) -> list[Message]:
        """One message at a time up to where labels came in before. Where that place cannot be found although
        all was read, they come now."""
        take = self._again[0]
        if take.at != self._source.position:
            if messages := self._source.poll(1, timeout_s):
                return messages
            if not self._source.exhausted and (
                not self._source.connected or any(self._source.lag().values())
            ):
                return []
        left = take.end - self._labels.position["offset"]
        messages = self._labels.poll(min(max_messages, left), 0.0)
        if self._labels.position["offset"] >= take.end:
            self._again.popleft()
        return messages

    @property
    def position(self) -> Position:
        labels = self._labels.position
        if labels == self._first:
            return self._source.position
        return {"labels": labels, "source": self._source.position}

    def commit(self, position: Position) -> None:
        self._source.commit(_parts(position)[1])

    def release(self, position: Position) -> None:
        labels, source = _parts(position)
        self._source.release(source)
        if labels is None:
            return
        self._labels.release(labels)
        takes = self._read()
        kept = [take for take in takes if take.end > labels["offset"]]
        if len(takes) - len(kept) >= 1000:
            aside = self._path.with_name(f".tmp-{self._path.name}")
            aside.write_bytes(b"".join(json.dumps(take).encode() + b"\n" for take in kept))
            os.replace(aside, self._path)

    @property
    def crowded(self) -> bool:
        return self._source.crowded or self._labels.crowded

    def pause(self) -> None:
        self._paused = True
        self._source.pause()

    def resume(self) -> None:
        self._paused = False
        self._source.resume()

    def lag(self) -> dict[int, int]:
        waiting = self._labels.lag()[0]
        return self._source.lag() | ({PARTITION: waiting} if waiting else {})

    def held_back(self) -> dict[int, int]:
        return self._source.held_back()

    def interrupt(self) -> None:
        self._source.interrupt()

    def close(self) -> None:
        self._source.close()

    @property
    def connected(self) -> bool:
        return self._source.connected

    @property
    def exhausted(self) -> bool:
        """The source is, and no label waits."""
        return self._source.exhausted and not self._labels.lag()[0]

    @property
    def gaps(self) -> int:
        return self._source.gaps

    def _read(self) -> list[Take]:
        if not self._path.exists():
            return []
        lines = self._path.read_bytes().split(b"\n")
        if torn := len(lines[-1]):  # it was never given
            os.truncate(self._path, self._path.stat().st_size - torn)
        return [Take(*json.loads(line)) for line in lines[:-1]]


def _parts(position: Position) -> tuple[Position | None, Position]:
    """Of the labels, None where none came, and of the source."""
    if position.keys() == {"labels", "source"}:
        return position["labels"], position["source"]
    return None, position
