"""The stream of what was pushed."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamlearner.connectors.push.log import PushLog
from streamlearner.errors import PositionLost
from streamlearner.stream import Message, Position, Source, refuse_other


class PushSource(Source):
    """Reads a PushLog in the order of its appends; position `{"log": identity, "offset": next}`, partition 0.

    Without a position it begins at the oldest record that is kept. `release` deletes what was learned. The
    log belongs to whoever opened it: `close` leaves it open for the threads that append.
    """

    name = "push"

    def __init__(
        self, log: PushLog, *, name: str = "push", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = name
        self._log = log
        self._sleep = sleep
        self._offset = log.begin
        self._paused = False

    def open(self, position: Position | None) -> None:
        self._offset = self._log.begin if position is None else self._seek(position)
        self._log.begin_reading(self._offset)

    def _seek(self, position: Position) -> int:
        refuse_other(position, ("log", "offset"), name=self.name)
        log, offset = position["log"], position["offset"]
        if log != self._log.log:
            raise PositionLost(
                f"{self.name}: the position belongs to push log {log}, but this one is {self._log.log}: "
                "the file was re-created. Put the old one back, or begin anew with a new state folder"
            )
        if not isinstance(offset, int) or not self._log.begin <= offset <= self._log.end:
            raise PositionLost(
                f"{self.name}: position {offset!r} is outside of what push log {log} holds, offsets "
                f"[{self._log.begin}, {self._log.end}): an older copy of the checkpoint or of the log was "
                "restored. Put back the one that belongs to the other, or begin anew with a new state folder"
            )
        return offset

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        if self._paused:
            self._sleep(timeout_s)
            return []
        if self._log.end <= self._offset:
            self._log.wait(self._offset, timeout_s)
        if self._log.end <= self._offset:
            return []
        messages = self._log.read(self._offset, max_messages, topic=self.name)
        end = self._offset + len(messages)
        if not messages or messages[0].offset != self._offset or messages[-1].offset != end - 1:
            raise PositionLost(
                f"{self.name}[0]@{self._offset}: records are missing; found offsets "
                f"{[message.offset for message in messages[:3]]}, expected [{self._log.begin}, "
                f"{self._log.end}); restore the push log, or begin anew with a new state folder"
            )
        self._offset = end
        return messages

    @property
    def position(self) -> Position:
        return {"log": self._log.log, "offset": self._offset}

    def commit(self, position: Position) -> None:
        """Nothing to tell: only the checkpoint keeps the position."""

    def release(self, position: Position) -> None:
        if position["log"] == self._log.log:
            self._log.release(min(position["offset"], self._offset))  # never what was not polled

    @property
    def crowded(self) -> bool:
        """Not before half of the log was polled: each release costs some checkpoints, so it is to be worth
        them."""
        done, kept = self._offset - self._log.begin, self._log.end - self._log.begin
        return self._log.turned_away and 0 < kept <= 2 * done

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def lag(self) -> dict[int, int]:
        return {0: self._log.end - self._offset}

    def close(self) -> None:
        """Nothing is held; the log stays open."""
