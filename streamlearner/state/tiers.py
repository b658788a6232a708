"""Samples in a database, thinned with their age."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from streamlearner.state.samples import Sample, combined, decoded

STEPS_S = (0.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0)
"""Of the tiers: as taken, then samples of a minute, ten, an hour, six, a day."""
SAMPLES = (
    "CREATE TABLE IF NOT EXISTS samples (number INTEGER PRIMARY KEY, tier INTEGER, start_s REAL,"
    " seconds REAL, body BLOB, UNIQUE (tier, start_s))"
)
_ROW_BYTES = 24
"""What a row takes beside its body."""


class Tiers:
    """Tiers of equal size, of `most_bytes` together. Where one is full, its oldest samples become one of the
    next, coarser tier; the oldest of the last leave. Inside a transaction of the caller's, who puts `state`
    back where that fails."""

    def __init__(self, *, most_bytes: int) -> None:
        self._share = most_bytes // len(STEPS_S)
        self._bytes: dict[int, int] = {}

    @property
    def state(self) -> dict[int, int]:
        return dict(self._bytes)

    @state.setter
    def state(self, state: dict[int, int]) -> None:
        self._bytes = state

    def measure(self, db: sqlite3.Connection) -> None:
        """Takes the sizes of what is there."""
        sizes = "SELECT tier, sum(length(body) + ?) FROM samples GROUP BY tier"
        self._bytes = dict(db.execute(sizes, (_ROW_BYTES,)).fetchall())

    def add(self, db: sqlite3.Connection, sample: Sample) -> None:
        """To the finest."""
        self._put(db, 0, sample)
        for tier in range(len(STEPS_S)):
            while self._bytes.get(tier, 0) > self._share:
                self._pass_on(db, tier)

    def erase(self, db: sqlite3.Connection, names: Collection[str]) -> None:
        """Takes the figures of these names from every sample."""
        rows = db.execute("SELECT number, start_s, seconds, body FROM samples").fetchall()
        for number, start_s, seconds, body in rows:
            for sample in decoded([(start_s, seconds, body)]):
                if not sample.means.keys().isdisjoint(names):
                    rest = sample.without(names).to_bytes()
                    db.execute("UPDATE samples SET body = ? WHERE number = ?", (rest, number))
        self.measure(db)

    def _put(self, db: sqlite3.Connection, tier: int, sample: Sample) -> None:
        """Beside what there is of the same time."""
        here = "WHERE tier = ? AND start_s = ?"
        key = tier, sample.start_s
        sample = combined([*self._take(db, here, key), sample])
        body = sample.to_bytes()
        db.execute(
            "INSERT INTO samples (tier, start_s, seconds, body) VALUES (?, ?, ?, ?)",
            (*key, sample.seconds, body),
        )
        self._bytes[tier] = self._bytes.get(tier, 0) + len(body) + _ROW_BYTES

    def _pass_on(self, db: sqlite3.Connection, tier: int) -> None:
        """The oldest of a tier to the next, all that belong to one sample there; of the last they leave."""
        start_s = db.execute("SELECT min(start_s) FROM samples WHERE tier = ?", (tier,)).fetchone()[0]
        if tier + 1 == len(STEPS_S):
            self._take(db, "WHERE tier = ? AND start_s = ?", (tier, start_s))
            return
        step_s = STEPS_S[tier + 1]
        start_s -= start_s % step_s
        where = "WHERE tier = ? AND start_s >= ? AND start_s < ?"
        if found := self._take(db, where, (tier, start_s, start_s + step_s)):
            self._put(db, tier + 1, combined(found, start_s=start_s))

    def _take(self, db: sqlite3.Connection, where: str, key: tuple[float, ...]) -> list[Sample]:
        """Out of the table."""
        rows = db.execute(f"SELECT start_s, seconds, body FROM samples {where}", key).fetchall()
        db.execute(f"DELETE FROM samples {where}", key)
        if rows:
            tier = int(key[0])
            self._bytes[tier] -= sum(len(body) + _ROW_BYTES for _, _, body in rows)
        return decoded(rows)
