"""What the state folder asks of a disk, and the disk of this machine.

Everything that is kept passes this one place. A simulated disk stands in for it where a test wants a full
disk, a torn write or a power cut at an instant of its choice.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from streamlearner.state.private import FILE_MODE, FOLDER_MODE


class FileStatus(NamedTuple):
    """What tells a file that was touched from one that was not."""

    size_bytes: int
    modified_ns: int
    inode: int


class NewFile(Protocol):
    """A file being written from its beginning."""

    def write(self, data: memoryview, /) -> int:
        """Takes the beginning of `data`, and says how many bytes: a full disk may take some before it refuses
        the rest."""

    def sync(self) -> None:
        """Returns once what was written is on the disk; its name may not be (`Disk.sync_folder`)."""


class Note(Protocol):
    """A small file that is written over in place and never synced: it outlives the process, not the power."""

    def read(self) -> bytes:
        """All of it, which may end in what an earlier write left."""

    def write(self, data: bytes, /) -> None:
        """From its beginning on."""

    def close(self) -> None:
        """Safe to call twice."""


class Disk(ABC):
    """A POSIX file system, for an implementer who simulates one.

    Each call may raise `OSError`. A kill of the process at any instant leaves what earlier calls did. A power
    cut may take back, in any order, whatever no `sync` has covered: bytes of a file since its own, names in a
    folder (made, renamed, removed) since that of the folder. A rename happens or does not. After a `sync` of
    a file that failed, what it should have covered may be gone although a later one succeeds.
    """

    @abstractmethod
    def create(self, path: Path) -> AbstractContextManager[NewFile]:
        """A new, empty file to write; FileExistsError where there is one. Leaving the context closes it."""

    @abstractmethod
    def note(self, path: Path) -> Note:
        """Opens one, and makes it where it is missing."""

    @abstractmethod
    def read(self, path: Path) -> bytes:
        """All of a file."""

    @abstractmethod
    def status(self, path: Path) -> FileStatus:
        """Of a file or folder itself, not of what a link names."""

    @abstractmethod
    def is_folder(self, path: Path) -> bool:
        """False where there is nothing, too."""

    @abstractmethod
    def names(self, folder: Path) -> list[str]:
        """Of all that is in a folder, in no order."""

    @abstractmethod
    def make_folder(self, path: Path) -> None:
        """With those above it, where they are missing; FileExistsError where it exists itself."""

    @abstractmethod
    def rename(self, path: Path, to: Path) -> None:
        """In place of the file that is called so, if there is one."""

    @abstractmethod
    def remove(self, path: Path) -> None:
        """A file; FileNotFoundError where there is none."""

    @abstractmethod
    def remove_folder(self, path: Path) -> None:
        """With all that is in it."""

    @abstractmethod
    def sync_folder(self, path: Path) -> None:
        """Returns once the names in a folder are on the disk."""

    @abstractmethod
    def lock(self, path: Path) -> AbstractContextManager[None]:
        """Inside the context no other process is in that of the same file, which is made where it is missing.
        BlockingIOError, at once, where one is. Whoever dies lets go."""

    @abstractmethod
    def free_bytes(self, folder: Path) -> int:
        """Space left for files in it."""

    # what follows from these

    def exists(self, path: Path) -> bool:
        try:
            self.status(path)
        except FileNotFoundError:
            return False
        return True

    def ensure_folder(self, path: Path) -> None:
        """Makes it unless it is there."""
        if not self.is_folder(path):
            self.make_folder(path)

    def size_bytes(self, folder: Path) -> int:
        """Of all files below `folder`. What cannot be read, as another process deletes it, counts as 0: this
        is a figure for people, and no reason to stop."""
        try:
            paths = [folder / name for name in self.names(folder)]
            return sum(self.size_bytes(p) if self.is_folder(p) else self._size_of(p) for p in paths)
        except OSError:
            return 0

    def _size_of(self, path: Path) -> int:
        try:
            return self.status(path).size_bytes
        except OSError:
            return 0


class LocalDisk(Disk):
    """That of this machine. What it makes is its owner's only."""

    @contextmanager
    def create(self, path: Path) -> Iterator[NewFile]:
        with open(path, "xb", buffering=0, opener=_privately) as file:
            yield _Opened(file.fileno(), path)

    def note(self, path: Path) -> Note:
        return _LocalNote(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def status(self, path: Path) -> FileStatus:
        found = path.lstat()
        return FileStatus(found.st_size, found.st_mtime_ns, found.st_ino)

    def is_folder(self, path: Path) -> bool:
        return path.is_dir()

    def names(self, folder: Path) -> list[str]:
        return os.listdir(folder)

    def make_folder(self, path: Path) -> None:
        path.mkdir(FOLDER_MODE, parents=True)

    def rename(self, path: Path, to: Path) -> None:
        os.replace(path, to)

    def remove(self, path: Path) -> None:
        path.unlink()

    def remove_folder(self, path: Path) -> None:
        shutil.rmtree(path)

    def sync_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def lock(self, path: Path) -> Iterator[None]:
        with open(path, "ab", opener=_privately) as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def free_bytes(self, folder: Path) -> int:
        return shutil.disk_usage(folder).free


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)


class _Opened(NamedTuple):
    descriptor: int
    path: Path

    def write(self, data: memoryview, /) -> int:
        with named(self.path):
            return os.write(self.descriptor, data)

    def sync(self) -> None:
        with named(self.path):
            os.fsync(self.descriptor)


class _LocalNote:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> bytes:
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)

    def write(self, data: bytes, /) -> None:
        os.pwrite(self._descriptor, data, 0)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """An `OSError` of its body names the file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


LOCAL_DISK = LocalDisk()
