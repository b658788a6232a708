"""How often the answers that were really given were right, by model version and by the hour."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

WINDOWS_S = {"1h": 3600, "24h": 86_400, "7d": 7 * 86_400}
MOST_VERSIONS = 100
_HOUR_S = 3600
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS by_version (version INTEGER PRIMARY KEY, labelled INTEGER, right INTEGER)",
    "CREATE TABLE IF NOT EXISTS by_hour (hour INTEGER PRIMARY KEY, labelled INTEGER, right INTEGER)",
    "CREATE TABLE IF NOT EXISTS outcomes (name TEXT PRIMARY KEY, labels INTEGER)",
)
OUTCOMES = ("accepted", "duplicate", "conflict", "unknown", "expired", "invalid")
"""What becomes of a label."""


class Answered:
    """Counts in the tables of `db`, whose other user holds `lock` while it calls `count`."""

    def __init__(self, db: sqlite3.Connection, *, lock: threading.Lock, now_s: Callable[[], float]) -> None:
        self._db = db
        self._lock = lock
        self._now_s = now_s

    def count(self, version: str, *, kept_s: float, right: bool) -> None:
        """One answer, given at `kept_s` by `version`, of which the adopted one counts."""
        adopted, hour = int(version.split(".")[0] or 0), int(kept_s // _HOUR_S)
        for table, column, key in (("by_version", "version", adopted), ("by_hour", "hour", hour)):
            self._db.execute(
                f"INSERT INTO {table} VALUES (?, 1, ?) ON CONFLICT ({column}) DO UPDATE"
                " SET labelled = labelled + 1, right = right + excluded.right",
                (key, int(right)),
            )
        self._db.execute("DELETE FROM by_hour WHERE hour < ?", (int(self._now_s() // _HOUR_S) - 24 * 8,))
        newest = f"SELECT version FROM by_version ORDER BY version DESC LIMIT {MOST_VERSIONS}"
        self._db.execute(f"DELETE FROM by_version WHERE version NOT IN ({newest})")

    def tell(self, outcome: str) -> None:
        """One label, of which this became."""
        change = "ON CONFLICT (name) DO UPDATE SET labels = labels + 1"
        with self._lock:
            self._db.execute(f"INSERT INTO outcomes VALUES (?, 1) {change}", (outcome,))

    def document(self) -> dict[str, Any]:
        """Labels by outcome, and the accuracy of answers: of all that came, by version and by window."""
        with self._lock:
            outcomes = dict(self._db.execute("SELECT name, labels FROM outcomes").fetchall())
            versions = self._db.execute("SELECT version, labelled, right FROM by_version").fetchall()
            hours = self._db.execute("SELECT hour, labelled, right FROM by_hour").fetchall()
        now = int(self._now_s() // _HOUR_S)
        within = {
            name: [row[1:] for row in hours if now - row[0] < seconds // _HOUR_S]
            for name, seconds in WINDOWS_S.items()
        }
        return {
            "labels": {name: outcomes.get(name, 0) for name in OUTCOMES},
            "labelled": sum(row[1] for row in versions),
            "overall": _rate([row[1:] for row in versions]),
            "by_version": {str(version): _rate([(count, right)]) for version, count, right in versions},
            "by_window": {name: _rate(rows) for name, rows in within.items()},
        }


def _rate(rows: list[tuple[int, int]]) -> float | None:
    labelled = sum(row[0] for row in rows)
    return sum(row[1] for row in rows) / labelled if labelled else None
