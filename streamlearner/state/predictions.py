"""Predictions that wait for their label, on disk: the input, what was answered, and which model answered."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from streamlearner.errors import StreamlearnerError
from streamlearner.state.answered import SCHEMA as TALLIES
from streamlearner.state.answered import Answered
from streamlearner.state.input_codes import encode
from streamlearner.state.prediction import COLUMNS, EXPIRED, LABELLED, WAITING, add_probability, from_row
from streamlearner.state.prediction import Prediction as Prediction
from streamlearner.state.waiting import Waiting

ID_SHARE = 8
"""One part in so many of the budget may be ids of predictions that are labelled or expired."""
COARSE_FROM = 2
"""Once inputs that wait take one part in so many of the budget, further ones are kept by coarser codes."""
_ROW_BYTES = 96
"""What a row takes beside its texts and its input: number, time, state, probability, the indices."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS predictions (number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT UNIQUE NOT NULL, kept_s REAL NOT NULL, state INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " version TEXT NOT NULL,"
    " answer TEXT NOT NULL, task TEXT, label TEXT, shape TEXT NOT NULL, dtype TEXT NOT NULL, input BLOB,"
    " probability REAL)",
    "CREATE INDEX IF NOT EXISTS by_state ON predictions (state, number)",
    *TALLIES,
)


class Predictions:
    """Keeps predictions for `keep_s` seconds within `budget_bits`: as they are, or by coarser codes once half
    of that is taken; the oldest leave first. Of those that are labelled or expired the id is remembered, in a
    share of the same budget, so that a label for them can be told from one for an id that never was.

    What is written outlives kill -9 (a power loss may take the last moments: then the id is unknown). Any
    thread may call any method.
    """

    def __init__(self, path: Path, *, budget_bits: int, keep_s: float, now_s: Callable[[], float]) -> None:
        self.budget_bits = budget_bits
        self._keep_s = keep_s
        self._now_s = now_s
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
                self._db.execute(f"PRAGMA {pragma}").fetchall()
            for statement in _SCHEMA:
                self._db.execute(statement)
            add_probability(self._db)
            self._held = self._sum("state = ?", WAITING)
            self._remembered = self._sum("state <> ?", WAITING)
            query = "SELECT count(*) FROM predictions WHERE state = 0"
            self._waiting = int(self._db.execute(query).fetchone()[0])
        except sqlite3.Error as error:
            self._db.close()
            raise StreamlearnerError(f"{path} cannot be used: {error}; move it away to begin anew") from error
        self.answered = Answered(self._db, lock=self._lock, now_s=now_s)
        self.waiting = Waiting(self._db, lock=self._lock, keep_s=keep_s, now_s=now_s)

    @property
    def stored_bits(self) -> int:
        """Of inputs that wait, and of ids that are remembered."""
        return 8 * (self._held + self._remembered)

    def __len__(self) -> int:
        """How many wait for their label."""
        return self._waiting

    def keep(self, predictions: Sequence[Prediction]) -> None:
        """Keeps them, and lets go of what is too old or too much. Raises sqlite3.Error where the disk does
        not take them."""
        rows, coarse = [], 8 * COARSE_FROM * self._held > self.budget_bits
        for one in predictions:
            data = encode(one.input, one.dtype, coarse=coarse)
            shape = ",".join(map(str, one.shape))
            size = _ROW_BYTES + len(data) + len(one.id) + len(one.version) + len(one.answer.encode())
            answered = one.version, one.answer, one.task, one.probability
            rows.append((one.id, one.kept_s, WAITING, size, *answered, shape, one.dtype, data))
        with self._transaction():
            self._db.executemany(
                "INSERT INTO predictions"
                " (id, kept_s, state, bytes, version, answer, task, probability, shape, dtype, input)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._held += sum(row[3] for row in rows)
            self._waiting += len(rows)
            self._make_room()

    def find(self, name: str) -> Prediction | None:
        """That of this id, which may be labelled or expired; None for one that is not known."""
        with self._transaction():
            self._expire(self._now_s() - self._keep_s)
            return self._row(name)

    def claim(self, name: str, label: str) -> Prediction | None:
        """Notes the label that is about to be joined, where none was noted before; the prediction with the
        label that counts. A restart between noting and `joined` finds it: then only that label may follow."""
        with self._transaction():
            self._expire(self._now_s() - self._keep_s)
            note = "UPDATE predictions SET label = ? WHERE id = ? AND state = 0 AND label IS NULL"
            self._db.execute(note, (label, name))
            return self._row(name)

    def unclaim(self, name: str) -> None:
        """The label could not be joined: another may be."""
        with self._transaction():
            self._db.execute("UPDATE predictions SET label = NULL WHERE id = ? AND state = 0", (name,))

    def claimed(self) -> list[Prediction]:
        """Those whose label was noted and that are not joined."""
        with self._lock:
            query = "SELECT id FROM predictions WHERE state = 0 AND label IS NOT NULL"
            found = [self._row(name) for (name,) in self._db.execute(query).fetchall()]
        return [one for one in found if one is not None]

    def joined(self, name: str, *, right: bool) -> bool:
        """The example is durable elsewhere: the input leaves, the answer is counted. False where that was
        done before."""
        with self._transaction():
            found = self._row(name)
            if found is None or found.state != WAITING:
                return False
            self._release("id = ? AND state = 0", (name,), LABELLED)
            self.answered.count(found.version, kept_s=found.kept_s, right=right)
            self._make_room()
            return True

    def erase(self, name: str) -> bool:
        """The input of this one leaves, and no label is joined to it any more. Whether it waited."""
        with self._transaction():
            found = self._row(name)
            self._release("id = ? AND state = 0", (name,), EXPIRED)
            self._db.execute(
                "UPDATE predictions SET label = NULL WHERE id = ? AND state <> ?", (name, LABELLED)
            )
        with self._lock:  # the log of writes held it, too
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return found is not None and found.state == WAITING

    def close(self) -> None:
        """Safe to call twice."""
        with self._lock:
            self._db.close()

    def _row(self, name: str) -> Prediction | None:
        row = self._db.execute(f"SELECT {COLUMNS} FROM predictions WHERE id = ?", (name,)).fetchone()
        return None if row is None else from_row(row)

    def _make_room(self) -> None:
        self._expire(self._now_s() - self._keep_s)
        most = self.budget_bits // 8
        while self._held + self._remembered > most or self._remembered > most // ID_SHARE:
            if self._remembered > most // ID_SHARE or not self._held:
                self._forget()
            else:
                oldest = "number = (SELECT min(number) FROM predictions WHERE state = 0)"
                self._release(oldest, (), EXPIRED)

    def _expire(self, before_s: float) -> None:
        self._release("state = 0 AND kept_s < ?", (before_s,), EXPIRED)

    def _release(self, where: str, values: tuple[object, ...], state: int) -> None:
        """Their inputs are overwritten with zeros; id and label stay."""
        rows = self._db.execute(
            f"SELECT number, id, label, bytes FROM predictions WHERE {where}", values
        ).fetchall()
        for number, name, label, size in rows:
            rest = _ROW_BYTES + len(name) + len((label or "").encode())
            change = "UPDATE predictions SET state = ?, bytes = ?, input = NULL, answer = '', version = '',"
            self._db.execute(f"{change} shape = '', dtype = '' WHERE number = ?", (state, rest, number))
            self._held -= size
            self._waiting -= 1
            self._remembered += rest

    def _forget(self) -> None:
        """The oldest ids, some at a time."""
        rows = self._db.execute(
            "SELECT number, bytes FROM predictions WHERE state <> 0 ORDER BY number LIMIT 8"
        ).fetchall()
        self._db.execute(
            f"DELETE FROM predictions WHERE number IN ({','.join('?' * len(rows))})", [row[0] for row in rows]
        )
        self._remembered -= sum(row[1] for row in rows)

    def _sum(self, where: str, state: int) -> int:
        query = f"SELECT coalesce(sum(bytes), 0) FROM predictions WHERE {where}"
        return int(self._db.execute(query, (state,)).fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, the sums included."""
        with self._lock:
            before = self._held, self._remembered, self._waiting
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._held, self._remembered, self._waiting = before
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
