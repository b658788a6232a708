"""One prediction that waits for its label, and how it is read from a row of the database."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from streamlearner.state.input_codes import decode

WAITING, LABELLED, EXPIRED = 0, 1, 2
COLUMNS = "id, kept_s, version, answer, task, shape, dtype, input, state, label, probability"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction: `answer` and `label` are JSON, `input` row-major bytes of `shape` and `dtype`;
    `probability` is of the answer when it was given, None where it was not noted."""

    id: str
    kept_s: float
    version: str
    answer: str
    task: str | None
    shape: tuple[int, ...]
    dtype: str
    input: bytes
    state: int = WAITING
    label: str | None = None
    probability: float | None = None

    @property
    def answered(self) -> Any:
        """What the answer names; None once the input has left."""
        return json.loads(self.answer) if self.answer else None


def from_row(row: tuple[Any, ...]) -> Prediction:
    """Of `COLUMNS`."""
    name, kept_s, version, answer, task, shape, dtype, data, *rest = row
    sides = tuple(int(side) for side in shape.split(",") if side)
    raw = decode(data) if data is not None else b""
    return Prediction(name, kept_s, version, answer, task, sides, dtype, raw, *rest)


def add_probability(db: sqlite3.Connection) -> None:
    """Files of before this column was kept have none: what waits there was answered with an unknown one."""
    if not any(column[1] == "probability" for column in db.execute("PRAGMA table_info(predictions)")):
        db.execute("ALTER TABLE predictions ADD COLUMN probability REAL")
    db.execute("CREATE INDEX IF NOT EXISTS by_probability ON predictions (state, probability)")
