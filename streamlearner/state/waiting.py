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
        with self._lock:
            after_s = self._now_s() - self.keep_s
            unsure = f"SELECT number FROM predictions WHERE {_WAITS} ORDER BY probability LIMIT ?"
            newest = f"SELECT number FROM predictions WHERE {_WAITS} ORDER BY number DESC LIMIT ?"
            numbers = [row[0] for row in self._db.execute(unsure, (after_s, most))]
            first = numbers[: (most + 1) // 2]
            others = [row[0] for row in self._db.execute(newest, (after_s, most))]
            numbers = list(dict.fromkeys([*first, *others, *numbers]))[:most]
            return self._read(numbers)

    def _read(self, numbers: list[int]) -> list[Prediction]:
        found: list[Prediction] = []
        size = 0
        query = f"SELECT {COLUMNS} FROM predictions WHERE number = ?"
        for number in numbers:
            one = from_row(self._db.execute(query, (number,)).fetchone())
            size += prod(one.shape) * np.dtype(one.dtype).itemsize
            if found and size > MOST_BYTES:
                break
            found.append(one)
        return found
