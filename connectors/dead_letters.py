"""Where rejected messages go, with all that is needed to mend and send them again."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from streamlearner.connectors.durable import sync_folder
from streamlearner.connectors.letter_files import FILE_NAME as FILE_NAME
from streamlearner.connectors.letter_files import rotate, tail
from streamlearner.errors import StreamlearnerError
from streamlearner.registry.dead_letters import FileDeadLettersSection
from streamlearner.stream import Message, Reject, Surroundings

TAIL_BYTES = 8 * 2**20  # of the file, read at start to know what a replay would write again
KNOWN_LIMIT = 100_000  # identities held, about 20 MB
FLUSH_BYTES = 2**20  # held in memory: more are made durable at once

log = logging.getLogger(__name__)


class DeadLettersNotDurable(StreamlearnerError):
    """Rejects are still only in memory: the checkpoint that passes them must wait."""


class DeadLetters(ABC):
    """A durable place for rejects. The daemon calls every method from its one learning thread.

    The promise that an implementer gives with the daemon: no checkpoint passes a reject that is not durable.
    The daemon calls `write` for each batch's rejects and `flush` before a checkpoint; where `flush` raises,
    it delays the checkpoint and calls `flush` again later. What was not durable stays in memory until it is
    (`waiting_bytes`).
    After a crash and a replay the same message may be written again: `(topic, partition, offset)` names it
    for ever.
    """

    @classmethod
    def build(cls, settings: Any, surroundings: Surroundings) -> Self:
        """`settings` are its own (an object of the class `Settings` in its class, None where it has none);
        here they are the arguments of the constructor."""
        return cls(**dict(settings or ()))

    @abstractmethod
    def write(self, rejects: Sequence[Reject]) -> None:
        """Takes the rejects. Never raises because the place they go to fails, and never blocks for long."""

    @abstractmethod
    def flush(self, timeout_s: float) -> None:
        """Returns once everything written is durable; raises `DeadLettersNotDurable` where it is not."""

    @property
    def waiting_bytes(self) -> int:
        """Held in memory until the place takes them: beyond some 32 MiB the daemon saves a checkpoint at
        once, and reads on only when that has passed. 0 where nothing is held."""
        return 0

    @abstractmethod
    def close(self) -> None:
        """Frees everything; what was not flushed may be lost. Safe to call twice."""


class FileDeadLetters(DeadLetters):
    """One line of JSON for each reject in `folder`/dead_letters.jsonl; bytes in base64; durable by fsync.

    A line: topic, partition, offset, timestamp_ms, reason, detail, key, value, headers, size, sha256 (of the
    value). A value above `max_body_bytes` is left out (null, with its size and digest). A torn last line,
    which no flush ever promised, is cut off at start. A message already among the last 8 MiB is not written
    again.

    A letter can be read at once, and is durable with the next checkpoint or after 1 MiB of them. A file of
    `max_file_bytes` gets a number, dead_letters.00000001.jsonl, and the last `keep_files` of those stay.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_body_bytes: int = 2**20,
        max_file_bytes: int = 64 * 2**20,
        keep_files: int = 16,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._max_body_bytes = max_body_bytes
        self._max_file_bytes = max_file_bytes
        self._keep_files = keep_files
        self._waiting: list[bytes] = []  # not durable yet, the first `_shown` of them in the file
        self._waiting_bytes = self._shown = self._shown_bytes = 0
        self._known: dict[tuple[str, int, int, str], None] = {}
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._end = self._mend()
            sync_folder(folder)
            with suppress(PermissionError):  # to open the one above
                sync_folder(folder.parent)  # in which it may be new
        except BaseException:
            os.close(self._file)
            raise

    @classmethod
    def build(cls, settings: FileDeadLettersSection, surroundings: Surroundings) -> Self:
        return cls(
            Path(settings.path) if settings.path else surroundings.state_dir / "dead-letters",
            max_file_bytes=settings.max_file_bytes,
            keep_files=settings.keep_files,
        )

    def write(self, rejects: Sequence[Reject]) -> None:
        for reject in rejects:
            entry = line(reject, self._max_body_bytes)
            name = identity(entry)
            if name not in self._known:
                self._remember(name)
                self._waiting.append(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
                self._waiting_bytes += len(self._waiting[-1])
            if self._waiting_bytes >= FLUSH_BYTES:
                self._flush_early()
        with suppress(OSError):  # the next flush says it
            self._show()

    @property
    def waiting_bytes(self) -> int:
        return self._waiting_bytes

    def _flush_early(self) -> None:
        """Frees the memory, where the place takes them."""
        try:
            self.flush(0.0)
        except DeadLettersNotDurable as error:
            log.warning("%s", error)

    def _show(self) -> None:
        """Writes what waits behind what is durable: readers see it, a crash of the machine may take it."""
        block = b"".join(self._waiting[self._shown :])
        if block:
            write_all(self._file, block, self._end + self._shown_bytes)
            self._shown, self._shown_bytes = len(self._waiting), self._shown_bytes + len(block)

    def flush(self, timeout_s: float) -> None:
        if not self._waiting:
            return
        try:
            self._show()
            os.fsync(self._file)
        except OSError as error:
            self._shown = self._shown_bytes = 0  # what a failed fsync covered may be gone: all anew
            raise DeadLettersNotDurable(
                f"{len(self._waiting)} dead letters could not be written to {self._path}: {error}: free "
                f"space there or make it writable; they are kept in memory and written by the next flush"
            ) from error
        self._end += self._waiting_bytes
        self._waiting.clear()
        self._waiting_bytes = self._shown = self._shown_bytes = 0
        if self._end >= self._max_file_bytes:
            self._rotate()

    def _rotate(self) -> None:
        """A new file; the old one goes on where that fails (a full disk has no place for another name)."""
        try:
            rotate(self._path.parent, keep=self._keep_files)
            fresh = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            os.close(self._file)
            self._file, self._end = fresh, 0
            sync_folder(self._path.parent)
        except OSError as error:
            log.warning("dead letters: %s is full and no new file can be begun: %s", self._path, error)

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _mend(self) -> int:
        """Cuts a torn last line off and learns which messages the end of the file holds. Returns its size."""
        size = os.fstat(self._file).st_size
        start = max(0, size - TAIL_BYTES)
        end = os.pread(self._file, size - start, start)
        whole = end.rfind(b"\n") + 1
        os.ftruncate(self._file, start + whole)
        before = b"" if start else tail(self._path.parent, size=TAIL_BYTES - size)
        for text in [*before.splitlines(), *end[:whole].splitlines()]:  # the first may have begun earlier
            try:
                self._remember(identity(json.loads(text)))
            except (ValueError, KeyError, TypeError):
                continue  # not ours to judge: another hand wrote it
        return start + whole

    def _remember(self, name: tuple[str, int, int, str]) -> None:
        self._known[name] = None
        if len(self._known) > KNOWN_LIMIT:
            del self._known[next(iter(self._known))]


def line(reject: Reject, max_body_bytes: int) -> dict[str, Any]:
    """The JSON object of one reject."""
    message = reject.message
    trace = {} if message.traceparent is None else {"traceparent": message.traceparent}
    return trace | {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp_ms": message.timestamp_ms,
        "reason": reject.reason,
        "detail": reject.detail,
        "key": text(message.key),
        "value": None if oversized(message, max_body_bytes) else text(message.value),
        "headers": [[name, text(content)] for name, content in message.headers],
        "size": None if message.value is None else len(message.value),
        "sha256": None if message.value is None else hashlib.sha256(message.value).hexdigest(),
    }


def identity(entry: dict[str, Any]) -> tuple[str, int, int, str]:
    """What tells two dead letters apart; the digest because a topic may be made again, or a file exchanged.
    Of a message without a value it is that of key and headers."""
    digest = entry["sha256"]
    if digest is None:
        digest = hashlib.sha256(json.dumps([entry["key"], entry["headers"]]).encode()).hexdigest()
    return entry["topic"], entry["partition"], entry["offset"], digest


def oversized(message: Message, max_body_bytes: int) -> bool:
    return message.value is not None and len(message.value) > max_body_bytes


def text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def write_all(file: int, block: bytes, at: int) -> None:
    """Writes over whatever a failed attempt left behind `at`."""
    view = memoryview(block)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written
