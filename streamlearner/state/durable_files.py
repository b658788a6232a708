"""Files that are on the disk when the call returns, and errors of the disk that a person can act on."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from streamlearner.errors import CheckpointError
from streamlearner.state.disk import LOCAL_DISK, Disk, named

CHUNK_BYTES = 1 << 18  # small enough to be hashed while still in the CPU's cache


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What a file must be: its SHA-256 in hexadecimal and its size."""

    sha256: str
    size_bytes: int


def write_file(
    path: Path, data: bytes | Sequence[memoryview], fault: Callable[[str], None], *, disk: Disk = LOCAL_DISK
) -> FileDigest:
    """Writes and hashes `data`, whole or in parts, and returns once it is on the disk. Raises `OSError` that
    names the file."""
    digest, size = hashlib.sha256(), 0
    with named(path), disk.create(path) as file:
        fault(f"{path.name} created")
        for chunk in _chunks([memoryview(data)] if isinstance(data, bytes) else data):
            digest.update(chunk)
            size += len(chunk)
            while chunk:  # a full disk may take part of a chunk before it refuses the rest
                chunk = chunk[file.write(chunk) :]
            fault(f"{path.name} written up to byte {-(-size // CHUNK_BYTES) * CHUNK_BYTES}")
        file.sync()
        fault(f"{path.name} synced")
    return FileDigest(digest.hexdigest(), size)


def _chunks(parts: Sequence[memoryview]) -> Iterator[memoryview]:
    """All bytes in chunks of one size, but for the last. Only what does not lie in one part is copied."""
    begun = bytearray()
    for part in parts:
        start = 0
        while start < len(part):
            end = start + CHUNK_BYTES - len(begun)
            if not begun and end <= len(part):
                yield part[start:end]
            else:
                begun += part[start:end]
            if len(begun) == CHUNK_BYTES:
                yield memoryview(bytes(begun))
                begun.clear()
            start = end
    if begun:
        yield memoryview(bytes(begun))


def replace_file(path: Path, data: bytes, *, disk: Disk = LOCAL_DISK) -> None:
    """Writes a small file: at any instant it is the old one or the new one, durably the new one when the call
    returns. Raises `OSError`."""
    aside = path.with_name(f".tmp-{path.name}")
    with suppress(FileNotFoundError):
        disk.remove(aside)
    write_file(aside, data, lambda _: None, disk=disk)
    disk.rename(aside, path)
    disk.sync_folder(path.parent)


def read_file(path: Path, expected: FileDigest | None = None, *, disk: Disk = LOCAL_DISK) -> bytes:
    """The content of a file; raises `CheckpointError` where it cannot be read or is not what was expected."""
    try:
        data = disk.read(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if expected and len(data) != expected.size_bytes:
        raise CheckpointError(
            f"{path} is torn: it has {len(data)} bytes, the manifest says {expected.size_bytes}"
        )
    if expected and hashlib.sha256(data).hexdigest() != expected.sha256:
        raise CheckpointError(f"{path} is altered: its SHA-256 is not the one in the manifest")
    return data


@contextmanager
def explained(what: str, folder: Path, *, disk: Disk = LOCAL_DISK) -> Iterator[None]:
    """Turns an `OSError` of its body into a `CheckpointError`: what failed, why, where, how to mend it."""
    try:
        yield
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, "no error number")
        raise CheckpointError(
            f"{what}: {error.strerror or error} ({code}) at {error.filename or folder}; "
            f"{_mending(error.errno, folder, disk)}"
        ) from error


def _mending(code: int | None, folder: Path, disk: Disk) -> str:
    if code in (errno.ENOSPC, errno.EDQUOT):
        return f"{_free(folder, disk)}: free some more (or raise the quota), or lower checkpoint.keep"
    if code == errno.EFBIG:
        return "raise the limit on the size of a file (ulimit -f, LimitFSIZE)"
    if code == errno.EROFS:
        return "mount the file system writable, or set state_dir to one that is"
    if code in (errno.EACCES, errno.EPERM):
        return f"give user {os.getuid()} permission to read and write there, or set another state_dir"
    if code == errno.EIO:
        return "the device fails: look into the kernel log, and move state_dir to another disk"
    return "make state_dir a folder on a local disk that this process may write to"


def _free(folder: Path, disk: Disk) -> str:
    """A figure for people: a disk that cannot say it is no second failure."""
    try:
        return f"{disk.free_bytes(folder):,} bytes are free there"
    except OSError as error:
        return f"how much is free there cannot be asked ({error.strerror or error})"
