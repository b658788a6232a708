"""The history on disk: figures over time, finer for the last hours than for the last years, and marks."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlearner.errors import StreamlearnerError
from streamlearner.state.class_in_json import without_classes
from streamlearner.state.history_file import OpenFile, open_file
from streamlearner.state.samples import OF_CLASS, Sample, decoded
from streamlearner.state.tiers import Tiers

log = logging.getLogger(__name__)

SMALLEST_BITS = 8 * 2**20
"""1 MiB: what is left of less, when SQLite's pages and log are subtracted, holds no day."""
ABSENT = "absent"
"""The kind of what is no mark: `classes` of which nothing is known any more, and nothing to be kept."""
DAMAGED = ".damaged"
"""Behind the name of a file that was set aside."""
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class HistoryUnreadable(StreamlearnerError):
    """The disk does not give or take the history now."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at one moment, in seconds since 1970."""

    at_s: float
    kind: str
    details: Mapping[str, Any]


class History:
    """Keeps within `budget_bits` what `record` is given, the finer the newer (`Tiers`).

    It never harms who uses it: `mark` waits for nothing, what the disk does not take is dropped, a damaged
    file is set aside for an empty one. A kill at any instant loses no more than what was not recorded yet.
    Any thread may call any method.
    """

    def __init__(self, path: Path, *, budget_bits: int, now_s: Callable[[], float]) -> None:
        self.budget_bits = max(budget_bits, SMALLEST_BITS)
        self.marked: queue.SimpleQueue[Mark | None] = queue.SimpleQueue()
        self._path = path
        self._now_s = now_s
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._file = OpenFile(path)
        self._tiers = Tiers(most_bytes=self.budget_bits // 20)  # two fifths: pages may be half empty
        self.failing: str | None = None
        """Why the disk did not take the last thing; None where it did."""

    def mark(self, kind: str, details: Mapping[str, Any]) -> None:
        """Notes it for whoever records (`marked`). Returns at once."""
        self.marked.put(Mark(self._now_s(), kind, details))

    def record(self, *, sample: Sample | None = None, marks: Sequence[Mark] = ()) -> bool:
        """Durable when it returns, but for a power cut. False where the disk did not take it."""
        with self._lock:
            try:
                with self._writing() as db:
                    if sample is not None:
                        self._tiers.add(db, sample)
                    rows = [(one.at_s, one.kind, json.dumps(one.details)) for one in marks]
                    db.executemany("INSERT INTO marks (at_s, kind, details) VALUES (?, ?, ?)", rows)
                    if rows:
                        self._forget(db, "marks", "number")
            except (OSError, sqlite3.Error) as error:
                self._failed(error)
                return False
            self.failing = None
            return True

    def note_version(self, number: int, document: Mapping[str, Any]) -> bool:
        """What is to be known of a model version, in place of what was."""
        with self._lock:
            try:
                with self._writing() as db:
                    row = (number, json.dumps(document))
                    db.execute("INSERT OR REPLACE INTO versions VALUES (?, ?)", row)
                    self._forget(db, "versions", "number")
            except (OSError, sqlite3.Error) as error:
                self._failed(error)
                return False
            return True

    def erase_classes(self, labels: Collection[str]) -> bool:
        """Takes what was kept of these classes from samples, marks, versions, and the log of writes. False
        where the disk did not let it."""
        with self._lock:
            try:
                with self._writing() as db:
                    self._tiers.erase(db, {f"{OF_CLASS}{label}" for label in labels})
                    for table, column in (("marks", "details"), ("versions", "document")):
                        _erase_keys(db, table, column, labels)
                self._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                Path(f"{self._path}{DAMAGED}").unlink(missing_ok=True)
            except (OSError, sqlite3.Error) as error:
                self._failed(error)
                return False
            return True

    def samples(self, since_s: float, until_s: float) -> list[Sample]:
        """Those that lie at least partly in this time, in order. Raises HistoryUnreadable."""
        query = (
            "SELECT start_s, seconds, body FROM samples"
            " WHERE start_s < ? AND start_s + seconds > ? ORDER BY start_s"
        )
        return decoded(self._read(query, (until_s, since_s)))

    def marks(self, since_s: float, until_s: float) -> list[Mark]:
        """Those of this time, in order. Raises HistoryUnreadable."""
        query = "SELECT at_s, kind, details FROM marks WHERE at_s >= ? AND at_s < ? ORDER BY at_s"
        rows = self._read(query, (since_s, until_s))
        return [Mark(at_s, kind, json.loads(text)) for at_s, kind, text in rows]

    def versions(self) -> dict[int, dict[str, Any]]:
        """What was noted, by number. Raises HistoryUnreadable."""
        rows = self._read("SELECT number, document FROM versions ORDER BY number", ())
        return {number: json.loads(text) for number, text in rows}

    @property
    def first_s(self) -> float | None:
        """When the oldest sample began. Raises HistoryUnreadable."""
        found: float | None = self._read("SELECT min(start_s) FROM samples", ())[0][0]
        return found

    @property
    def stored_bits(self) -> int:
        """On the disk, what SQLite needs beside it included."""
        files = (Path(f"{self._path}{end}") for end in ("", "-wal", "-shm"))
        return 8 * sum(path.stat().st_size for path in files if path.exists())

    def close(self) -> None:
        """Safe to call twice."""
        with self._lock:
            self._close()

    def _read(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._opened().execute(query, values).fetchall()
            except (OSError, sqlite3.Error) as error:
                self._failed(error)
                raise HistoryUnreadable(f"the history in {self._path} cannot be read: {error}") from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing."""
        db = self._opened()
        before = self._tiers.state
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            self._tiers.state = before
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and self._file.is_gone:
            log.warning("the history in %s was taken away: a new one begins there", self._path)
            self._file.remove_leftovers()
            self._close()
        if self._db is None:
            self._db = open_file(self._path, budget_bits=self.budget_bits)
            self._file = OpenFile(self._path)
            self._tiers.measure(self._db)
        return self._db

    def _failed(self, error: Exception) -> None:
        """Says it once; a damaged file makes room for a new one."""
        if self.failing is None:
            log.warning("the history in %s misses figures: %s; learning goes on", self._path, error)
        self.failing = str(error)
        if getattr(error, "sqlite_errorname", "").startswith(_DAMAGED):
            self._close()
            with contextlib.suppress(OSError):
                os.replace(self._path, f"{self._path}{DAMAGED}")
                for end in ("-wal", "-shm"):
                    Path(f"{self._path}{end}").unlink(missing_ok=True)

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def _forget(self, db: sqlite3.Connection, table: str, key: str) -> None:
        """The oldest rows beyond a sixteenth of the budget, at some 256 bytes each."""
        most = self.budget_bits // 8 // 16 // 256
        db.execute(f"DELETE FROM {table} WHERE {key} <= (SELECT max({key}) FROM {table}) - ?", (most,))


def _erase_keys(db: sqlite3.Connection, table: str, column: str, names: Collection[str]) -> None:
    """Takes classes from JSON, however deep they stand there (`without_classes`)."""
    for number, text in db.execute(f"SELECT number, {column} FROM {table}").fetchall():
        rest = json.dumps(without_classes(json.loads(text), names))
        if rest != text:
            db.execute(f"UPDATE {table} SET {column} = ? WHERE number = ?", (rest, number))
