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


class OpenFile:
    """The file as it was when it was opened. Whoever deletes or replaces it does so without a word to those
    who write to it; what SQLite had beside it then stays, and would be taken for a part of the next one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = {Path(f"{path}{end}"): _identity(Path(f"{path}{end}")) for end in ("-wal", "-shm")}
        self._identity = _identity(path)

    @property
    def is_gone(self) -> bool:
        """Whether it is no longer the one of this name."""
        return self._identity is None or _identity(self._path) != self._identity

    def remove_leftovers(self) -> None:
        """What was beside it, unless that is another one's already."""
        for path, identity in self._beside.items():
            if identity is not None and _identity(path) == identity:
                path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _damaged(text: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error
