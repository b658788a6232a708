"""Which of the predictions that wait for a label may be asked about."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from math import prod

import numpy as np

from streamlearner.state.prediction import COLUMNS, Prediction, from_row

MOST_BYTES = 64 * 2**20
"""Of decoded inputs, in one look."""
AT_ONCE = 64
_WAITS = "state = 0 AND label IS NULL AND kept_s >= ?"


class Waiting:
    """Reads the table of `db`, whose other users hold `lock`, too."""

    def __init__(
        self, db: sqlite3.Connection, *, lock: threading.Lock, keep_s: float, now_s: Callable[[], float]
    ) -> None:
        self.keep_s = keep_s
        self._db = db
        self._lock = lock
        self._now_s = now_s

    def look(self, most: int) -> list[Prediction]:
        """At most so many that wait and have no label yet: half of them those answered least surely, the
        others the newest, as what was sure once may no longer be. Of large inputs fewer, these first."""
        after_s = self._now_s() - self.keep_s
        unsure = f"SELECT number FROM predictions WHERE {_WAITS} ORDER BY probability LIMIT ?"
        newest = f"SELECT number FROM predictions WHERE {_WAITS} ORDER BY number DESC LIMIT ?"
        with self._lock:
            numbers = [row[0] for row in self._db.execute(unsure, (after_s, most))]
            others = [row[0] for row in self._db.execute(newest, (after_s, most))]
        first = numbers[: (most + 1) // 2]
        return self._read(list(dict.fromkeys([*first, *others, *numbers]))[:most])

    def _read(self, numbers: list[int]) -> list[Prediction]:
        """Those that still wait. Some at a time, so that predictions need not wait for all to be read, and
        decoded while nobody has to wait."""
        found: list[Prediction] = []
        size = 0
        for first in range(0, len(numbers), AT_ONCE):
            some = numbers[first : first + AT_ONCE]
            where = f"number IN ({','.join('?' * len(some))}) AND state = 0"
            with self._lock:
                query = f"SELECT number, {COLUMNS} FROM predictions WHERE {where}"
                rows = {row[0]: row[1:] for row in self._db.execute(query, some)}
            for one in (from_row(rows[number]) for number in some if number in rows):
                size += prod(one.shape) * np.dtype(one.dtype).itemsize
                if found and size > MOST_BYTES:
                    return found
                found.append(one)
        return found
