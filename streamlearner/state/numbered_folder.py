"""A folder of numbered directories, each of which appears, is set aside or disappears atomically.

000000000012/               complete, or absent
.tmp-000000000013/          being written or deleted; after a crash a leftover, gone at the next write or open
.rollback-<low>-<high>      an empty file: the numbers in (low, high] are set aside from here on
rolled-back/000000000011/   set aside by a rollback; to take it back, move it up by hand
.writing                    locked while something is being written
"""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamlearner.errors import CheckpointError
from streamlearner.state.durable_files import explained, sync_folder

ROLLED_BACK = "rolled-back"
_NUMBER = re.compile(r"\d{12,}")
_ROLLBACK = re.compile(r"\.rollback-(\d{12,})-(\d{12,})")


class NumberedFolder:
    """Readers need no lock and may run beside a writer; a second writer gets `CheckpointError`.

    `fault` is called with the name of each step on the disk: tests crash there.
    Raises `CheckpointError` where the folder is absent and cannot be made.
    """

    def __init__(self, path: Path, *, fault: Callable[[str], None]) -> None:
        self.path = path
        self._fault = fault
        with explained("the checkpoint folder cannot be made", path):
            path.mkdir(parents=True, exist_ok=True)
        # Another writer at work, or a read-only disk: nothing to clean, and readers pass over leftovers.
        with suppress(CheckpointError), self.writing("cleaning up"):
            pass

    def directory(self, number: int) -> Path:
        """Where a number is or would be."""
        return self.path / f"{number:012d}"

    def numbers(self) -> list[int]:
        """The complete ones, in order; those set aside are not among them."""
        with explained("the checkpoints cannot be listed", self.path):
            numbers = _numbers_in(self.path)
            for _, low, high in self._rollbacks():
                numbers = [number for number in numbers if not low < number <= high]
        return numbers

    def next_number(self) -> int:
        """One above every number here, those set aside included."""
        return max([*_numbers_in(self.path), *_numbers_in(self.path / ROLLED_BACK)], default=0) + 1

    @contextmanager
    def writing(self, failure: str) -> Iterator[None]:
        """Keeps other writers out, finishes what a crash cut short, explains an `OSError` with `failure`."""
        with explained(failure, self.path), (self.path / ".writing").open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CheckpointError(
                    f"{failure}: another writer is at work in {self.path}; try again"
                ) from error
            self._finish()
            yield

    @contextmanager
    def adding(self, number: int) -> Iterator[Path]:
        """Gives an empty directory to fill with synced files; it appears as `number` at the end, or never."""
        aside, final = self.path / f".tmp-{number:012d}", self.directory(number)
        try:
            aside.mkdir()
            self._fault("directory made")
            yield aside
            sync_folder(aside)
            self._fault("directory synced")
            aside.rename(final)
            self._fault("directory renamed")
            sync_folder(self.path)
            self._fault("folder synced")
        except BaseException:
            with suppress(OSError):
                final.rename(aside)  # it had appeared, but the disk does not promise to keep it
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def set_aside_above(self, number: int) -> None:
        """Later ones go to `rolled-back/`. Several renames are not atomic; creating one file is."""
        highest = max(self.numbers(), default=0)
        if highest <= number:
            return
        marker = self.path / f".rollback-{number:012d}-{highest:012d}"
        try:
            marker.touch()
            self._fault("rollback marked")
            sync_folder(self.path)
            self._fault("rollback synced")
        except BaseException:
            marker.unlink(missing_ok=True)
            raise
        with suppress(OSError):  # it has happened: moving the directories can wait for the next write or open
            self._finish()

    def delete_below(self, number: int, *, keep_aside: int) -> None:
        """Deletes the numbers below `number`, oldest first, and all set aside but the last `keep_aside`."""
        doomed = [self.directory(n) for n in self.numbers() if n < number]
        aside = [self.path / ROLLED_BACK / f"{n:012d}" for n in _numbers_in(self.path / ROLLED_BACK)]
        for path in doomed + aside[: max(0, len(aside) - keep_aside)]:
            path.rename(self.path / f".tmp-{path.name}")
            self._fault("old directory renamed")
        self._finish()

    def _rollbacks(self) -> list[tuple[Path, int, int]]:
        found = [(path, _ROLLBACK.fullmatch(path.name)) for path in self.path.iterdir()]
        return [(path, int(match[1]), int(match[2])) for path, match in found if match]

    def _finish(self) -> None:
        for marker, low, high in self._rollbacks():
            aside = self.path / ROLLED_BACK
            aside.mkdir(exist_ok=True)
            for number in _numbers_in(self.path):
                if low < number <= high:
                    self.directory(number).rename(aside / f"{number:012d}")
                    self._fault("later directory set aside")
            sync_folder(aside)
            sync_folder(self.path)  # the marker must not go before the moves are durable
            self._fault("moves synced")
            marker.unlink()
            self._fault("rollback marker gone")
        leftovers = list(self.path.glob(".tmp-*"))
        if leftovers:
            sync_folder(
                self.path
            )  # else a power cut could bring back the old name of a half-deleted directory
        for path in leftovers:
            shutil.rmtree(path)
            self._fault("leftover deleted")


def _numbers_in(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(
        int(path.name) for path in folder.iterdir() if _NUMBER.fullmatch(path.name) and path.is_dir()
    )
