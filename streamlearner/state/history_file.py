"""The file that a history is in."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from streamlearner.state.tiers import SAMPLES

_PAGE = 4096
_SCHEMA = (
    SAMPLES,
    "CREATE TABLE IF NOT EXISTS marks (number INTEGER PRIMARY KEY, at_s REAL, kind TEXT, details TEXT)",
    "CREATE TABLE IF NOT EXISTS versions (number INTEGER PRIMARY KEY, document TEXT)",
)


def open_file(path: Path, *, budget_bits: int) -> sqlite3.Connection:
    """Made where there is none. Raises sqlite3.Error; SQLITE_CORRUPT where it is damaged."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
    pages = budget_bits // 8 // _PAGE
    try:
        for pragma in (
            f"page_size={_PAGE}", "auto_vacuum=FULL", "journal_mode=WAL", "synchronous=NORMAL",
            "secure_delete=ON",
            f"wal_autocheckpoint={pages // 16}", f"journal_size_limit={pages // 16 * _PAGE}",
            f"max_page_count={pages * 7 // 8}",
        ):  # fmt: skip
            db.execute(f"PRAGMA {pragma}").fetchall()
        for statement in _SCHEMA:
            db.execute(statement)
        if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise _damaged(found)
    except BaseException:
        db.close()
        raise
    return db


def identity_of(path: Path) -> tuple[int, int] | None:
    """By which a file is known again: one that is open may be deleted, or replaced, without a word. None
    where there is none."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _damaged(text: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error
