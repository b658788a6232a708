"""One growing text file, read line by line from a place that can be proved."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from streamlearner.connectors.files.descriptors import refuse_if_short
from streamlearner.errors import PositionLost, SourceError

_CHECK_BYTES = 4096  # of what was read last; held against the file whenever it is opened to read on
_SKIP_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 17  # lines of 1 KiB are read in a quarter of the time that the usual 8 KiB take


class Line(NamedTuple):
    """A line without its newline, and the byte where it begins; `cut` when it was longer than allowed."""

    value: bytes
    start: int
    cut: bool


class Tail:
    """The lines of one file, in order, while it grows.

    `state()` is JSON: offset, the SHA-256 of the up to 4 KiB before it, and whether that was the end of the
    file. Whenever the file is opened to read on, those bytes are read again; a mismatch is PositionLost.
    """

    def __init__(self, path: Path, *, max_line_bytes: int) -> None:
        self.path, self._name = path, os.fspath(path)  # a stat of a text takes half as long as of a Path
        self.offset = 0
        self._max_line_bytes = max_line_bytes
        self._check = b""  # the last bytes before `offset`, as they were read ...
        self._check_bytes = 0
        self._check_sha256 = ""  # ... or their digest, out of a position
        self._ended = False
        self._handle: BinaryIO | None = None
        self._counted_to = 0
        self._lines_counted = 0  # lines that begin in [offset, counted_to)
        self._counted_torn = False  # the last of them has no newline yet

    @property
    def ended(self) -> bool:
        """Whether all that the file held when last looked at has been read."""
        return self._ended or (
            self._handle is not None and os.fstat(self._handle.fileno()).st_size == self.offset
        )

    def state(self) -> dict[str, Any]:
        """The place after the last line taken, with what proves it."""
        sha256 = hashlib.sha256(self._check).hexdigest() if self._check else self._check_sha256
        return {
            "offset": self.offset,
            "check_bytes": self._check_bytes,
            "check_sha256": sha256,
            "ended": self.ended,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes to where `state()` was read; PositionLost where the file is another one now."""
        self.close()
        self.offset = self._counted_to = state["offset"]
        self._check, self._check_bytes = b"", state["check_bytes"]
        self._check_sha256, self._ended = state["check_sha256"], state["ended"]
        self._lines_counted, self._counted_torn = 0, False
        with self.path.open("rb") as handle:
            self._verify(handle)

    def next_line(self, *, whole: bool) -> Line | None:
        """The next line, or None at the end; with `whole`, a last line without newline is left for later.
        Raises `OutOfDescriptors` where the file cannot be opened just now."""
        handle = self._handle or self._reopen()
        if handle is None:
            return None
        line = handle.readline(self._max_line_bytes + 2)
        end, check = self.offset + len(line), line[-_CHECK_BYTES:]
        cut = len(line) > self._max_line_bytes and not line.endswith(b"\n")
        while cut and (more := handle.readline(_SKIP_BYTES)):
            end, check = end + len(more), (check + more)[-_CHECK_BYTES:]
            if more.endswith(b"\n"):
                break
        if not line or (whole and not check.endswith(b"\n")):
            self.close()
            self._ended = not line
            return None
        taken = Line(line[: self._max_line_bytes] if cut else line.rstrip(b"\r\n"), self.offset, cut)
        self._advance(end, check)
        return taken

    def _advance(self, end: int, check: bytes) -> None:
        self.offset, self._check, self._check_bytes = end, check, len(check)
        if end >= self._counted_to:
            self._counted_to, self._lines_counted, self._counted_torn = end, 0, False
        else:
            self._lines_counted -= 1

    def _reopen(self) -> BinaryIO | None:
        """The file at `offset`, proved; None where it holds nothing more."""
        try:
            if os.stat(self._name).st_size == self.offset:
                self._ended = True
                return None
            handle = self.path.open("rb", buffering=_BUFFER_BYTES)
        except FileNotFoundError:
            if self._ended:
                return None
            raise PositionLost(f"{self.path} is gone, but was read only up to byte {self.offset}") from None
        except OSError as error:
            refuse_if_short(error)
            raise SourceError(f"{self.path} cannot be read: {error}") from error
        try:
            self._verify(handle)
        except BaseException:
            handle.close()
            raise
        self._ended, self._handle = False, handle
        return handle

    def _verify(self, handle: BinaryIO) -> None:
        """Leaves the handle at `offset`, having read again what stood before it."""
        size = os.fstat(handle.fileno()).st_size
        if size < self.offset:
            raise PositionLost(
                f"{self.path} was truncated or replaced: it has {size} bytes, but was read up to byte "
                f"{self.offset}; put the old content back, or begin anew with a new state folder"
            )
        handle.seek(self.offset - self._check_bytes)
        before = handle.read(self._check_bytes)
        same = (
            before == self._check
            if self._check
            else not before or hashlib.sha256(before).hexdigest() == self._check_sha256
        )
        if not same:
            raise PositionLost(
                f"{self.path} was replaced or rewritten: the {self._check_bytes} bytes before byte "
                f"{self.offset} are not those that were read; put the old content back, or begin anew with "
                "a new state folder"
            )
        if before and not before.endswith(b"\n") and handle.read(1) not in (b"", b"\n", b"\r"):
            raise PositionLost(
                f"{self.path}: the last line had no newline when it was read, and was continued at byte "
                f"{self.offset} since; finish lines before the file is read, or set follow, which waits for "
                "the newline"
            )
        handle.seek(self.offset)

    def count(self, *, whole: bool, max_bytes: int) -> tuple[int | None, int]:
        """(lines left, bytes read to count them); None where `max_bytes` did not suffice: ask again."""
        try:
            size = os.stat(self._name).st_size
        except FileNotFoundError:
            return 0, 0
        read = 0
        if size > self._counted_to and max_bytes > 0:
            try:
                read = self._count_on(max_bytes)
            except OSError as error:
                refuse_if_short(error)
                raise SourceError(f"{self.path} cannot be read: {error}") from error
        if self._counted_to < size:
            return None, read
        return self._lines_counted - (whole and self._counted_torn), read

    def _count_on(self, max_bytes: int) -> int:
        """Counts lines in the next `max_bytes` at most; the bytes read."""
        read = 0
        with self.path.open("rb") as handle:
            handle.seek(self._counted_to)
            while read < max_bytes and (block := handle.read(min(_SKIP_BYTES, max_bytes - read))):
                read += len(block)
                self._lines_counted += block.count(b"\n") - self._counted_torn
                self._counted_torn = not block.endswith(b"\n")
                self._lines_counted += self._counted_torn
        self._counted_to += read
        return read

    def close(self) -> None:
        """Frees the file; the place stays."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None
