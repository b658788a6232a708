"""A durable log that many threads append to and one source reads."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from streamlearner.connectors.push.records import (
    GONE,
    AppendTooLarge,
    BacklogFull,
    ErasureReceipt,
    PushRecord,
    Receipt,
    header_text,
    headers_of,
    log_record,
)
from streamlearner.connectors.push.store import PushStore
from streamlearner.connectors.push.ticket import Ticket
from streamlearner.errors import ConfigError, SourceError
from streamlearner.stream import Message

_DELETE_ROWS = 1000  # in one transaction: appends wait for it, 10 to 30 ms with images of 3 KB


class PushLog:
    """Appends are durable (fsync) when `append` returns; appends that run at the same time share one fsync.

    Group commit by leader and followers, with no thread of its own: a caller queues its records; if nobody
    writes, it writes all that is queued, in one transaction, wakes those callers, and hands over to the
    first that queued meanwhile. (Waiting on one lock instead forms a convoy: a third of the appends a
    second with 64 callers.)

    Of each id 16 bytes of BLAKE2b are remembered for the last `remembered_ids` records (about 80 bytes each
    on disk), also when their records were released. `append`, `wait` and the counters may be called from
    any thread. Raises `StateInUse` where another process holds the log, `SourceError` where the file is
    damaged.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_backlog_messages: int = 1_000_000,
        max_backlog_bytes: int = 4 << 30,
        remembered_ids: int = 1_000_000,
    ) -> None:
        if max_backlog_messages < 1 or max_backlog_bytes < 1 or remembered_ids < 0:
            raise ConfigError(
                f"push log: max_backlog_messages {max_backlog_messages} and max_backlog_bytes "
                f"{max_backlog_bytes} must be at least 1, remembered_ids {remembered_ids} at least 0"
            )
        self._max_messages = max_backlog_messages
        self._max_bytes = max_backlog_bytes
        self._remembered_ids = remembered_ids
        self._store = PushStore(Path(path))
        self._queue: list[Ticket] = []
        self._writing = False  # some thread writes, or was asked to
        self._queue_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._grown = threading.Condition()
        self._end = self._store.end
        self._turned_away = False
        self._unread: int | None = None  # from where on the source has not read; None: it is not open
        self._closed = False

    def append(self, records: Sequence[PushRecord]) -> Receipt:
        """Stores all the records or none. A record whose id is remembered is skipped as a duplicate.

        Raises `BacklogFull`, `AppendTooLarge`, and `SourceError` where the disk does not take them (full,
        gone).
        """
        ticket = Ticket([log_record(record) for record in records])
        self._check_size(ticket)
        with self._queue_lock:
            self._queue.append(ticket)
            leads, self._writing = not self._writing, True
        if not leads:
            ticket.turn.wait()
        if ticket.receipt is None and ticket.error is None:
            self._lead()
        if ticket.error is not None:
            raise ticket.error
        assert ticket.receipt is not None  # a written ticket has one or the other
        return ticket.receipt

    def _check_size(self, ticket: Ticket) -> None:
        if len(ticket.entries) > self._max_messages or ticket.size > self._max_bytes:
            raise AppendTooLarge(
                f"{len(ticket.entries)} examples ({ticket.size} bytes) at once are more than the log may "
                f"hold, {self._max_messages} examples and {self._max_bytes} bytes: send fewer at a time"
            )

    def _lead(self) -> None:
        """Writes what is queued, this caller's ticket among it, then hands over."""
        with self._write_lock:
            with self._queue_lock:
                queued, self._queue = self._queue, []
            self._write(queued)
        for ticket in queued:
            ticket.turn.set()
        with self._queue_lock:
            self._writing = bool(self._queue)
            if self._queue:
                self._queue[0].turn.set()

    def _write(self, queued: list[Ticket]) -> None:
        try:
            self._check_open()
            admitted = self._admit(queued)
            groups = [ticket.entries for ticket in admitted]
            results = self._store.append(groups, remembered_ids=self._remembered_ids)
        except BaseException as error:
            for ticket in queued:
                ticket.error = ticket.error or error
            return
        for ticket, (accepted, end) in zip(admitted, results, strict=True):
            position = {"log": self._store.log, "offset": end}
            ticket.receipt = Receipt(accepted, len(ticket.entries) - accepted, position)
        with self._grown:
            self._end = self._store.end
            self._grown.notify_all()

    def _admit(self, queued: list[Ticket]) -> list[Ticket]:
        """Those that still fit, in order; a duplicate counts too, since nobody has looked yet."""
        messages, size, admitted = self._store.messages, self._store.bytes, []
        for ticket in queued:
            if messages + len(ticket.entries) > self._max_messages or size + ticket.size > self._max_bytes:
                self._turned_away = True
                ticket.error = BacklogFull(
                    f"{len(ticket.entries)} more ({ticket.size} bytes) do not fit beside {messages} "
                    f"examples ({size} bytes) that wait to be learned; the limits are {self._max_messages} "
                    f"examples and {self._max_bytes} bytes. Send them again later"
                )
                continue
            messages += len(ticket.entries)
            size += ticket.size
            admitted.append(ticket)
        return admitted

    def erase(self, record: PushRecord, *, header: tuple[str, bytes]) -> ErasureReceipt:
        """Appends an erasure, durable when it returns, however full the log is. Records with this `header`
        that the source has not read are blanked with it (their headers are `GONE`, and nothing else stays);
        those that it has read are not touched: a replay gives what was given."""
        with self._write_lock, self._read_lock:
            self._check_open()
            offset = self._store.end
            unread = offset if self._unread is None else self._unread
            blank = json.dumps([GONE])
            entry, text = log_record(record), header_text(*header)
            blanked = self._store.append_erasure(entry, header=text, unread=unread, blank=blank)
            if blanked:
                self._store.truncate()
        with self._grown:
            self._end = self._store.end
            self._grown.notify_all()
        return ErasureReceipt(offset, blanked)

    def begin_reading(self, offset: int) -> None:
        """What lies before was read in a former run, and may be asked for again as it was."""
        with self._read_lock:
            self._unread = offset

    def read(self, offset: int, max_messages: int, *, topic: str) -> list[Message]:
        """At most `max_messages` messages from `offset` on."""
        with self._read_lock:
            self._check_open()
            rows = self._store.read(offset, max_messages)
            self._unread = max(self._unread or 0, offset + len(rows))
        return [
            Message(value, topic, 0, at, key, headers_of(headers), timestamp_ms)
            for at, timestamp_ms, key, headers, value in rows
        ]

    def wait(self, offset: int, timeout_s: float) -> None:
        """Returns when a record at `offset` is there, the log is closed, or the time is over."""
        with self._grown:
            self._grown.wait_for(lambda: self._end > offset or self._closed, timeout_s)

    def release(self, offset: int) -> None:
        """Deletes the records before `offset` for good: zeros over them, in the write-ahead log too."""
        at = self._store.begin
        if offset <= at:
            return
        while at < offset:
            at = min(at + _DELETE_ROWS, offset)
            with self._write_lock:
                self._check_open()
                self._store.delete(at)
        with self._write_lock, self._read_lock:
            self._check_open()
            self._store.truncate()
        self._turned_away = False

    @property
    def log(self) -> str:
        """The identity of this log: a re-created one has another."""
        return self._store.log

    @property
    def begin(self) -> int:
        """The offset of the oldest record that is kept (`end` when there is none)."""
        return self._store.begin

    @property
    def end(self) -> int:
        """The offset that the next record gets."""
        return self._end

    @property
    def turned_away(self) -> bool:
        """Whether an append found the log full, and nothing was released since."""
        return self._turned_away

    @property
    def backlog_messages(self) -> int:
        """Records kept: appended and not released yet."""
        return self._store.messages

    @property
    def backlog_bytes(self) -> int:
        """The bytes of their values, keys and headers."""
        return self._store.bytes

    def _check_open(self) -> None:
        if self._closed:
            raise SourceError(f"the push log {self._store.path} is closed")

    def close(self) -> None:
        """Waits for the write under way; later appends raise. Safe to call twice."""
        with self._write_lock, self._read_lock, self._grown:
            self._closed = True
            self._store.close()
            self._grown.notify_all()

    def __enter__(self) -> PushLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
