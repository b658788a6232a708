"""How large batches were while that followed the lag: beside the checkpoints, so that a replay cuts alike."""

from __future__ import annotations

import json
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from streamlearner.state.disk import LOCAL_DISK, Disk
from streamlearner.state.durable_files import explained

KEPT = 2_000
"""Stretches, the last ones: each is at least as long as the largest batch."""


class Pace(NamedTuple):
    """`size`: messages of a batch. `one_in`: of so many examples one gets optimiser steps."""

    size: int
    one_in: int = 1


class Stretch(NamedTuple):
    """Batches of the messages from `start` up to `end`, counted over the stream, go at this pace."""

    start: int
    end: int
    pace: Pace


class BatchPaces:
    """What was decided, in the order of the stream.

    As `LearningMark`, what is written outlives the process and is never synced; where the disk takes nothing,
    nothing is kept.
    """

    def __init__(self, path: Path, *, disk: Disk = LOCAL_DISK) -> None:
        with explained("how large batches are cannot be noted", path.parent, disk=disk):
            self._note = disk.note(path)
        self._stretches = self._read()

    def at(self, messages: int) -> Stretch | None:
        """What was decided for the batch after so many messages; None where nothing was."""
        place = bisect_right(self._stretches, messages, key=lambda it: it.start)
        found = self._stretches[place - 1] if place else None
        return found if found and messages < found.end else None

    def add(self, decided: Stretch) -> None:
        """What goes on as before makes the stretch before it longer."""
        last = self._stretches[-1] if self._stretches else None
        if last and (last.end, last.pace) == (decided.start, decided.pace):
            self._stretches[-1] = last._replace(end=decided.end)
        else:
            place = bisect_right(self._stretches, decided.start, key=lambda it: it.start)
            self._stretches.insert(place, decided)
            self._stretches = self._stretches[-KEPT:]
        with suppress(OSError):
            noted = [[it.start, it.end, *it.pace] for it in self._stretches]
            self._note.write(json.dumps(noted).encode() + b"\n")

    def close(self) -> None:
        self._note.close()

    def _read(self) -> list[Stretch]:
        with suppress(OSError, ValueError, TypeError):
            found = json.loads(self._note.read().partition(b"\n")[0])
            stretches = [Stretch(start, end, Pace(size, one_in)) for start, end, size, one_in in found]
            if all(type(n) is int and n >= 0 for row in found for n in row) and all(
                it.start < it.end and min(it.pace) > 0 for it in stretches
            ):
                return sorted(stretches)
        return []
