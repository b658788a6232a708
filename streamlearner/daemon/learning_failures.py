"""Which messages ended the process that learned them: counted across restarts, then set aside.

What fails at a message fails there again after each restart, as the stream is replayed from the checkpoint
before it; only what is kept outside of the checkpoints can tell.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from streamlearner.daemon.named_messages import named, names_in, stretches
from streamlearner.errors import CheckpointError, StreamlearnerError, readable
from streamlearner.state.learning_mark import FailureRecord, LearningMark, fatal_signal
from streamlearner.stream import Message, Reject

log = logging.getLogger(__name__)

FAILED = "learning_failed"
"""The reason of a Reject that could not be learned."""
ENOUGH, FAILURE, DEATH = 10, 5, 2
"""Set aside at `ENOUGH`: after two failures, or five deaths in succession that nothing explains, as whoever
ends processes may have hit the same batch by chance."""
KEPT = 10_000
"""Messages that are known, the last ones: no kept checkpoint is as far back."""
_SHOWN = 300

Name: TypeAlias = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass(slots=True)
class Failing:
    """What is known of a message. With a `detail` it is set aside. The checksum is that of its value, as in a
    stream begun anew another may have its name; None after a death, until it was met again."""

    weight: int = 0
    checksum: int | None = None
    detail: str = ""


class LearningFailures:
    """Around each batch: `begin` notes what it holds, `watched` what becomes of it. So the next run knows of
    what the last one died, even where that could write nothing (SIGSEGV, the kernel's want of memory).

    All that failed is counted by message, so that batches may be cut elsewhere after a restart. What is set
    aside stays so in every replay. With `sets_aside` False it is counted and told, and each run fails again.
    """

    def __init__(self, *, record: FailureRecord, mark: LearningMark, fatal: Path, sets_aside: bool) -> None:
        self._record, self._mark, self._fatal, self._sets_aside = record, mark, fatal, sets_aside
        self._known: dict[Name, Failing] = {}
        self._learning: dict[Name, Message] = {}
        self._ids: tuple[str | None, ...] = ()

    def recover(self) -> None:
        """Reads what former runs left; counts the death of the last one, if that was in mid-batch."""
        self._known = {
            (topic, partition, offset): Failing(weight, checksum, detail)
            for topic, partition, offset, checksum, weight, detail in self._record.load()
        }
        signal, left = fatal_signal(self._fatal), self._mark.left()
        if signal:
            log.error("a fatal signal ended the last run: %s", signal)
        if left is not None:
            content, out_of_memory = left
            why = signal or ("the kernel ended it for want of memory" if out_of_memory else "it was killed")
            for name in (names := names_in(content)):
                self._add(name, FAILURE if signal or out_of_memory else DEATH, None)
            self._judge(names, named([Message(None, *name) for name in names]), why)
        self._mark.clear()

    def begin(self, messages: Sequence[Message]) -> tuple[list[Message], list[Reject]]:
        """Before a batch is decoded: its messages that may be learned, and those that are set aside."""
        fresh, rejects = list(messages), []
        if self._known:
            details = [self._detail(message) for message in messages]
            fresh = [message for message, detail in zip(messages, details, strict=True) if not detail]
            rejects = [
                Reject(message, FAILED, detail)
                for message, detail in zip(messages, details, strict=True)
                if detail
            ]
        self._note(fresh)
        return fresh, rejects

    def ahead(self, messages: Sequence[Message]) -> bool:
        """Before these are worked on, too, which are to be learned after those begun. False, and they are to
        wait, where a run may have died of one of them, or of any that is not set aside."""
        undecided = any(not each.detail for each in self._known.values())
        if undecided or any(_name(message) in self._known for message in messages):
            return False
        self._note([*self._learning.values(), *messages])
        return True

    def narrow(self, messages: Sequence[Message], ids: tuple[str | None, ...]) -> None:
        """Of those only these are learned; `ids` are what their producers call them."""
        self._ids = ids
        if len(messages) != len(self._learning):
            self._note(messages)

    def _note(self, messages: Sequence[Message]) -> None:
        self._learning = {_name(message): message for message in messages}
        if messages:
            self._mark.set(stretches(messages))
        else:
            self._mark.clear()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around the decoding and learning of a batch."""
        try:
            yield
        except StreamlearnerError:
            raise  # says itself what is to be mended, and it is not a message
        except Exception as error:
            if self._learning:
                self._failed(error)
            raise
        else:
            if self._known:
                self._passed()
        finally:
            if self._learning:
                self._mark.clear()
            self._learning, self._ids = {}, ()

    def _passed(self) -> None:
        """What was counted was an accident."""
        if known := self._learning.keys() & self._known.keys():
            for name in known:
                del self._known[name]
            self._save()

    def _failed(self, error: Exception) -> None:
        where = named(list(self._learning.values()), self._ids)
        error.add_note(f"while learning {where}")
        for name, message in self._learning.items():
            self._add(name, FAILURE, _checksum(message))
        self._judge(self._learning, where, readable(f"{type(error).__name__}: {error}"))

    def _add(self, name: Name, weight: int, checksum: int | None) -> None:
        known = self._known.setdefault(name, Failing())
        if None not in (known.checksum, checksum) and known.checksum != checksum:
            known.weight = 0  # that was another message
        known.weight += weight
        known.checksum = known.checksum if checksum is None else checksum

    def _detail(self, message: Message) -> str:
        """Why a message is set aside; nothing where it is not."""
        known = self._known.get(_name(message))
        if known is None or known.checksum not in (None, _checksum(message)):
            return ""
        known.checksum = _checksum(message)
        return known.detail

    def _judge(self, names: Collection[Name], where: str, why: str) -> None:
        """Sets aside those of which it is enough; tells and saves what is known now."""
        why = why[:_SHOWN]
        enough = [known for name in names if (known := self._known[name]).weight >= ENOUGH]
        if self._sets_aside:
            for known in enough:
                known.detail = known.detail or f"learning failed again and again at {where}: {why}"
        log.error("learning failed at %s: %s; %s", where, why, self._consequence(bool(enough)))
        self._save()

    def _consequence(self, enough: bool) -> str:
        if not self._sets_aside:
            return "a restart meets them again (daemon.on_learning_failure: dead_letter sets them aside)"
        if enough:
            return f"such are set aside as dead letters (reason {FAILED}) by the next start, which goes on"
        return "nothing is lost: a restart reads them again, and sets them aside where that goes on"

    def _save(self) -> None:
        self._known = dict(list(self._known.items())[-KEPT:])
        try:
            self._record.save(
                [[*name, each.checksum, each.weight, each.detail] for name, each in self._known.items()]
            )
        except CheckpointError as error:
            log.error("%s; the failure is not counted", error)


def _name(message: Message) -> Name:
    return message.topic, message.partition, message.offset


def _checksum(message: Message) -> int:
    return zlib.crc32(message.value or b"")
