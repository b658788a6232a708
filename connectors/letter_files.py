"""The files that dead letters were written to before: numbered, the oldest ones deleted."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

FILE_NAME = "dead_letters.jsonl"


def rotated(folder: Path) -> list[Path]:
    """Those that are full, the oldest first."""
    stem, suffix = FILE_NAME.split(".")
    return sorted(path for path in folder.glob(f"{stem}.*.{suffix}") if path.name.split(".")[1].isdecimal())


def rotate(folder: Path, *, keep: int) -> None:
    """Gives the present file a number, and deletes those before the last `keep`."""
    full = rotated(folder)
    number = 1 + (int(full[-1].name.split(".")[1]) if full else 0)
    stem, suffix = FILE_NAME.split(".")
    if (folder / FILE_NAME).exists():  # else it has one since an attempt that failed behind this
        os.rename(folder / FILE_NAME, folder / f"{stem}.{number:08}.{suffix}")
    for path in rotated(folder)[:-keep]:
        log.warning("the oldest dead letters, %s, are deleted: dead_letters.keep_files is %d", path, keep)
        path.unlink()


def tail(folder: Path, *, size: int) -> bytes:
    """The last `size` bytes of the newest full file."""
    if not (full := rotated(folder)):
        return b""
    with full[-1].open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size))
        return file.read()
