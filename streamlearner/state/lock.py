"""One process at a time in a state folder."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from streamlearner.errors import CheckpointError, StateInUse
from streamlearner.state.disk import LOCAL_DISK
from streamlearner.state.private import FILE_MODE, FOLDER_MODE


class StateLock:
    """Holds a state folder for this process, from construction until `release` or the end of the process.

    The kernel holds the lock on an open file (flock) and frees it however the process dies, kill -9 included,
    so no stale lock is ever to be removed by hand. The file `lock` stays, and says who holds it; deleting it
    while it is held would let a second process in. A forked child shares the lock until it execs or ends.

    Raises `StateInUse` where another process (or another StateLock of this one) holds the folder, and
    `CheckpointError` where the lock file cannot be written or the file system has no locks.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lock"
        self._descriptor: int | None = None
        try:
            _make(folder)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise CheckpointError(
                f"the state folder cannot be locked: {error.strerror} at {self.path}; it must be writable "
                f"for user {os.getuid()} (state_dir)"
            ) from error
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                holder = (
                    os.pread(descriptor, 400, 0).decode(errors="replace").strip()
                    or "a process that just started"
                )
                raise StateInUse(
                    f"the state folder {self.path.parent} is in use by {holder}: "
                    "stop that process, or give this one another state_dir"
                ) from None
            raise CheckpointError(
                f"{self.path} cannot be locked ({error.strerror}): put state_dir on a file system with flock"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on host {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        """Lets the next process in; safe to call twice."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> StateLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _make(folder: Path) -> None:
    """So that no power cut takes it back, with all that is durable in it."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(FOLDER_MODE, exist_ok=True)
    with suppress(OSError):  # whoever may make a folder there may still not be allowed to open the one above
        LOCAL_DISK.sync_folder(folder.parent)
