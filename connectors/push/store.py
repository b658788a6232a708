"""The SQLite file of a PushLog: a table of records, and one of the ids seen lately."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streamlearner.connectors.durable import sync_folder
from streamlearner.errors import SourceError, StateInUse


class LogRecord(NamedTuple):
    """One record as it is stored; `size` is what the backlog's bytes count."""

    id_digest: bytes | None
    size: int
    timestamp_ms: int
    key: bytes | None
    headers: str
    value: bytes


_FORMAT = 1
_SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # AUTOINCREMENT: an offset is never used again, also after every row was deleted. The value comes last, so
    # that the other columns are read without walking its overflow pages.
    "CREATE TABLE log (offset INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER NOT NULL,"
    " timestamp_ms INTEGER NOT NULL, key BLOB, headers TEXT NOT NULL, value BLOB NOT NULL)",
    "CREATE TABLE ids (digest BLOB PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX ids_by_offset ON ids (offset)",
)
# A write at each start makes SQLite create and sync its write-ahead log, so that the file's name can be made
# durable before the first record relies on it.
_COUNT_START = "INSERT INTO meta VALUES ('starts', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"


class PushStore:
    """What is on disk. The caller lets no two threads into the writing methods, nor two into `read`.

    Write-ahead log with synchronous=FULL: a commit returns after fsync, so it outlives kill -9 and power
    loss. secure_delete overwrites what is deleted with zeros. flock on `<path>.lock` keeps a second process
    out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = _lock(path)
        self._connections: list[sqlite3.Connection] = []
        try:
            with self.explained("opened"):
                self._writer, self._reader = self._connect(), self._connect()
                self._prepare()
            self._identity = _identity(path)
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._connections.append(connection)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    def _prepare(self) -> None:
        """Creates or checks the tables, makes the files' names durable, and reads the counters."""
        with self._transaction() as writer:
            if not writer.execute("SELECT 1 FROM sqlite_schema").fetchone():
                for statement in _SCHEMA:
                    writer.execute(statement)
                meta = (("format", _FORMAT), ("log", uuid.uuid4().hex))
                writer.executemany("INSERT INTO meta VALUES (?, ?)", meta)
            writer.execute(_COUNT_START)
        sync_folder(self.path.parent)
        problem = self._writer.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
        found = dict(self._writer.execute("SELECT name, value FROM meta").fetchall())
        if found.get("format") != _FORMAT:
            raise sqlite3.DatabaseError(f"format {found.get('format')}; this version reads {_FORMAT}")
        self.log = str(found["log"])
        self.begin: int  # the offset of the oldest record kept
        self.messages: int  # records kept
        self.bytes: int  # their sizes together
        last = self._writer.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
        self.end = 1 + (int(last[0]) if last else 0)
        begin, self.messages, self.bytes = self._writer.execute(
            "SELECT min(offset), count(*), coalesce(sum(size), 0) FROM log"
        ).fetchone()
        self.begin = self.end if begin is None else begin
        if self.messages != self.end - self.begin:
            raise sqlite3.DatabaseError(f"{self.messages} records in offsets [{self.begin}, {self.end})")

    def append(self, groups: Sequence[Sequence[LogRecord]], *, remembered_ids: int) -> list[tuple[int, int]]:
        """Writes all groups in one transaction; for each (records accepted, offset behind its last)."""
        end = self.end
        results: list[tuple[int, int]] = []
        rows: list[tuple[int, int, int, bytes | None, str, bytes]] = []
        self._check_there()
        with self.explained("written to"), self._transaction() as writer:
            for group in groups:
                before = len(rows)
                for entry in group:
                    if entry.id_digest is not None and remembered_ids:
                        known = "INSERT OR IGNORE INTO ids VALUES (?, ?)"
                        if not writer.execute(known, (entry.id_digest, end)).rowcount:
                            continue
                    rows.append((end, entry.size, entry.timestamp_ms, entry.key, entry.headers, entry.value))
                    end += 1
                results.append((len(rows) - before, end))
            writer.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", rows)
            writer.execute("DELETE FROM ids WHERE offset < ?", (end - remembered_ids,))
        self.end = end
        self.messages += len(rows)
        self.bytes += sum(row[1] for row in rows)
        return results

    def append_erasure(self, entry: LogRecord, *, header: str, unread: int, blank: str) -> int:
        """Writes an erasure, and `blank` headers over each record from `unread` on that has this header, in
        one transaction; nothing else of those is left. Returns how many there were."""
        self._check_there()
        where = "FROM log WHERE offset >= ? AND instr(headers, ?) AND headers NOT LIKE '%[\"erase\"%'"
        with self.explained("written to"), self._transaction() as writer:
            found = writer.execute(f"SELECT offset, size {where}", (unread, header)).fetchall()
            blanked = [(len(blank), blank, offset) for offset, _ in found]
            writer.executemany(
                "UPDATE log SET size = ?, key = NULL, headers = ?, value = x'' WHERE offset = ?", blanked
            )
            row = (self.end, entry.size, entry.timestamp_ms, entry.key, entry.headers, entry.value)
            writer.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)", row)
        self.end += 1
        self.messages += 1
        self.bytes += entry.size + sum(len(blank) - size for _, size in found)
        return len(found)

    def read(self, offset: int, max_messages: int) -> list[tuple[int, int, bytes | None, str, bytes]]:
        """(offset, timestamp, key, headers, value) from `offset` on, in order."""
        columns = "offset, timestamp_ms, key, headers, value"
        query = f"SELECT {columns} FROM log WHERE offset >= ? ORDER BY offset LIMIT ?"
        with self.explained("read"):
            return self._reader.execute(query, (offset, max_messages)).fetchall()

    def delete(self, offset: int) -> None:
        """Deletes the records before `offset`."""
        with self.explained("written to"), self._transaction() as writer:
            where = "FROM log WHERE offset < ?"
            messages, size = writer.execute(
                f"SELECT count(*), coalesce(sum(size), 0) {where}", (offset,)
            ).fetchone()
            writer.execute(f"DELETE {where}", (offset,))
        self.messages -= messages
        self.bytes -= size
        self.begin = max(self.begin, offset)

    def truncate(self) -> None:
        """Moves the write-ahead log into the file and empties it: it too holds what was deleted."""
        with self.explained("written to"):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _check_there(self) -> None:
        """Whoever deletes or exchanges the file does so without a word to those who write to it: SQLite goes
        on in one that no next start will find, and what is acknowledged would be gone with this process."""
        if _identity(self.path) != self._identity:
            raise SourceError(
                f"the push log {self.path} was deleted or exchanged while it is in use: nothing more is "
                "stored. What it held is still learned; then restart with the file back, or a new state_dir"
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:  # a full disk has rolled back by itself
                self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def explained(self, done: str) -> Iterator[None]:
        """Turns SQLite's errors into a SourceError that says which file, and how to mend it."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise SourceError(
                f"the push log {self.path} cannot be {done}: {error}; nothing of this call was stored. "
                "It must lie on a local, writable disk with space left"
            ) from error
        except sqlite3.DatabaseError as error:
            raise SourceError(
                f"the push log {self.path} is damaged: {error}. Restore it, or move it away together with "
                f"{self.path.name}-wal: examples in it that were not learned yet are then lost, and their "
                "producers must send them again"
            ) from error

    def close(self) -> None:
        """Closes the file and lets the next process in; safe to call twice."""
        for connection in self._connections:
            connection.close()
        self._connections = []
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _lock(path: Path) -> int:
    """An exclusive lock that the kernel frees however the process ends. The file stays behind, empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StateInUse(
            f"the push log {path} is open in another process ({error.strerror}); stop that one, or use "
            "another path"
        ) from error
    return descriptor
