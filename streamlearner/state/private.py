"""What is kept is readable by its owner only: recollections can show what a person looked like."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600
OURS = (
    "checkpoints", "versions", "dead-letters", "push.sqlite", "pretrained", "lock", "token", "tmp-token",
    "learning", "failures.json", "tmp-failures.json", "fatal_signal.txt", "batch_ends", "batch_paces",
    "predictions.sqlite", "labels-taken.jsonl", "labels-topic.json", "history.sqlite",
)  # fmt: skip
"""How the names begin of what a daemon keeps in its state folder. Others may lie there, where it is a folder
of the user's: they stay as they are."""


@contextmanager
def private_files() -> Iterator[None]:
    """Whatever this process makes meanwhile is its owner's only, SQLite's files included."""
    former = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(former)


def make_private(folder: Path) -> None:
    """Takes from others what a former version let them read; what belongs to somebody else stays as it is.
    So does the folder itself where it holds more than a daemon's state."""
    entries = [entry.path for entry in os.scandir(folder)]
    kept = [path for path in entries if os.path.basename(path).lstrip(".").startswith(OURS)]
    for path in kept:
        _take_from_others(path)
        for parent, folders, files in os.walk(path):
            for name in (*folders, *files):
                _take_from_others(os.path.join(parent, name))
    if len(kept) == len(entries):
        _take_from_others(str(folder))


def _take_from_others(path: str) -> None:
    with suppress(OSError):  # deleted meanwhile, or not ours
        mode = os.lstat(path).st_mode
        if not stat.S_ISLNK(mode) and mode & 0o077:
            os.chmod(path, stat.S_IMODE(mode) & 0o700)
