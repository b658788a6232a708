"""A folder of numbered directories, each of which appears, is set aside or disappears atomically.

000000000012/               complete, or absent
.tmp-000000000013/          being written or deleted; after a crash a leftover, gone at the next write or open
.rollback-<low>-<high>      an empty file: the numbers in (low, high] are set aside from here on
rolled-back/000000000011/   set aside by a rollback; to take it back, move it up by hand
.writing                    locked while something is being written
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from streamlearner.errors import CheckpointError
from streamlearner.state.disk import LOCAL_DISK, Disk
from streamlearner.state.durable_files import explained

ROLLED_BACK = "rolled-back"
_NUMBER = re.compile(r"\d{12,}")
_ROLLBACK = re.compile(r"\.rollback-(\d{12,})-(\d{12,})")


class NumberedFolder:
    """Readers need no lock and may run beside a writer; a second writer gets `CheckpointError`.

    `fault` is called with the name of each step on the disk: tests crash there.
    Raises `CheckpointError` where the folder is absent and cannot be made.
    """

    def __init__(self, path: Path, *, fault: Callable[[str], None], disk: Disk = LOCAL_DISK) -> None:
        self.path = path
        self._disk = disk
        self._fault = fault
        self._is_named = False
        with self.explained("the checkpoint folder cannot be made"):
            disk.ensure_folder(path)
        # Another writer at work, or a read-only disk: nothing to clean, and readers pass over leftovers.
        with suppress(CheckpointError), self.writing("cleaning up"):
            pass

    def explained(self, failure: str) -> AbstractContextManager[None]:
        """An `OSError` of its body becomes a `CheckpointError` of this folder."""
        return explained(failure, self.path, disk=self._disk)

    def directory(self, number: int) -> Path:
        """Where a number is or would be."""
        return self.path / f"{number:012d}"

    def numbers(self) -> list[int]:
        """The complete ones, in order; those set aside are not among them."""
        with self.explained("the checkpoints cannot be listed"):
            numbers = self._numbers_in(self.path)
            for _, low, high in self._rollbacks():
                numbers = [number for number in numbers if not low < number <= high]
        return numbers

    def make_durable(self) -> None:
        """What is listed outlives a power cut: whoever renamed it may have been killed before the sync."""
        with self.explained("the names of the checkpoints cannot be made durable"):
            self._disk.sync_folder(self.path)

    def next_number(self) -> int:
        """One above every number here, those set aside included."""
        there = [*self._numbers_in(self.path), *self._numbers_in(self.path / ROLLED_BACK)]
        return max(there, default=0) + 1

    @contextmanager
    def writing(self, failure: str) -> Iterator[None]:
        """Keeps other writers out, finishes what a crash cut short, explains an `OSError` with `failure`."""
        with self.explained(failure), ExitStack() as held:
            try:
                held.enter_context(self._disk.lock(self.path / ".writing"))
            except BlockingIOError as error:
                raise CheckpointError(
                    f"{failure}: another writer is at work in {self.path}; try again"
                ) from error
            if not self._is_named:  # else a power cut takes the folder, with all that is durable in it
                self._disk.sync_folder(self.path.parent)
                self._is_named = True
            self._finish()
            yield

    @contextmanager
    def adding(self, number: int) -> Iterator[Path]:
        """Gives an empty directory to fill with synced files; it appears as `number` at the end, or never."""
        aside, final = self.path / f".tmp-{number:012d}", self.directory(number)
        try:
            self._disk.make_folder(aside)
            self._fault("directory made")
            yield aside
            self._disk.sync_folder(aside)
            self._fault("directory synced")
            self._disk.rename(aside, final)
            self._fault("directory renamed")
            self._disk.sync_folder(self.path)
            self._fault("folder synced")
        except BaseException:
            with suppress(OSError):
                self._disk.rename(final, aside)  # it had appeared, but the disk does not promise to keep it
            with suppress(OSError):  # else the next write deletes it
                self._disk.remove_folder(aside)
            raise

    def set_aside_above(self, number: int) -> None:
        """Later ones go to `rolled-back/`. Several renames are not atomic; creating one file is."""
        highest = max(self.numbers(), default=0)
        if highest <= number:
            return
        marker = self.path / f".rollback-{number:012d}-{highest:012d}"
        try:
            with self._disk.create(marker):
                pass
            self._fault("rollback marked")
            self._disk.sync_folder(self.path)
            self._fault("rollback synced")
        except BaseException:
            with suppress(FileNotFoundError):
                self._disk.remove(marker)
            raise
        with suppress(OSError):  # it has happened: moving the directories can wait for the next write or open
            self._finish()

    def delete_below(self, number: int, *, keep_aside: int) -> None:
        """Deletes the numbers below `number`, oldest first, and all set aside but the last `keep_aside`."""
        aside = self.path / ROLLED_BACK
        doomed = [self.directory(n) for n in self.numbers() if n < number]
        doomed += [aside / f"{n:012d}" for n in self._numbers_in(aside)[:-keep_aside]]
        for path in doomed:
            self._disk.rename(path, self.path / f".tmp-{path.name}")
            self._fault("old directory renamed")
        self._finish()

    def _rollbacks(self) -> list[tuple[Path, int, int]]:
        found = [(name, _ROLLBACK.fullmatch(name)) for name in self._disk.names(self.path)]
        return [(self.path / name, int(match[1]), int(match[2])) for name, match in found if match]

    def _finish(self) -> None:
        for marker, low, high in self._rollbacks():
            aside = self.path / ROLLED_BACK
            self._disk.ensure_folder(aside)
            for number in self._numbers_in(self.path):
                if low < number <= high:
                    self._disk.rename(self.directory(number), aside / f"{number:012d}")
                    self._fault("later directory set aside")
            self._disk.sync_folder(aside)
            self._disk.sync_folder(self.path)  # the marker must not go before the moves are durable
            self._fault("moves synced")
            self._disk.remove(marker)
            self._fault("rollback marker gone")
        leftovers = [name for name in self._disk.names(self.path) if name.startswith(".tmp-")]
        if leftovers:  # else a power cut could bring back the old name of a half-deleted directory
            self._disk.sync_folder(self.path)
        for name in sorted(leftovers):
            self._disk.remove_folder(self.path / name)
            self._fault("leftover deleted")

    def _numbers_in(self, folder: Path) -> list[int]:
        if not self._disk.is_folder(folder):
            return []
        found = [name for name in self._disk.names(folder) if _NUMBER.fullmatch(name)]
        return sorted(int(name) for name in found if self._disk.is_folder(folder / name))
