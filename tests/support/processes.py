"""The processes of this machine, by whose children they are."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def begun_by_this() -> list[int]:
    """All that this process has begun, and they in turn."""
    found, parents = [os.getpid()], _parents()
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


def _parents() -> dict[int, int]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return found
