"""Where the clock cut batches before they were full: beside the checkpoints, so that a replay cuts there."""

from __future__ import annotations

import json
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path

from streamlearner.state.disk import LOCAL_DISK, Disk
from streamlearner.state.durable_files import explained

KEPT = 2_000
"""Ends, the last ones: those since the newest checkpoint are few, as each took `daemon.linger_s`."""


class BatchEnds:
    """Ends of batches, each the count of messages taken by then.

    A replay after a crash has all messages at hand at once; cut by count alone, it would end up with other
    weights under the names that were served before. As `LearningMark`, what is written outlives the process
    and is never synced; where the disk takes nothing, nothing is kept.
    """

    def __init__(self, path: Path, *, disk: Disk = LOCAL_DISK) -> None:
        with explained("where batches end cannot be noted", path.parent, disk=disk):
            self._note = disk.note(path)
        self._ends = self._read()

    def after(self, messages: int) -> int | None:
        """The first end beyond so many messages taken; None where there is none."""
        place = bisect_right(self._ends, messages)
        return self._ends[place] if place < len(self._ends) else None

    def add(self, messages: int) -> None:
        """A batch ends here before it is full."""
        self._ends.insert(bisect_right(self._ends, messages), messages)
        self._ends = self._ends[-KEPT:]
        with suppress(OSError):
            self._note.write(json.dumps(self._ends).encode() + b"\n")

    def close(self) -> None:
        self._note.close()

    def _read(self) -> list[int]:
        with suppress(OSError, ValueError):
            found = json.loads(self._note.read().partition(b"\n")[0])
            if isinstance(found, list) and all(type(end) is int for end in found):
                return sorted(found)
        return []
