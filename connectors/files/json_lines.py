"""JSON Lines files, also while they grow."""

from __future__ import annotations

import glob
import os
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

from streamlearner.connectors.files.descriptors import OutOfDescriptors, Shortage, refuse_to_look
from streamlearner.connectors.files.tail import Tail
from streamlearner.errors import ConfigError, PositionLost, SourceError, SourceUnreachable
from streamlearner.stream import Message, Position, Source, refuse_other

_COUNT_BYTES = 64 << 20  # read at most by one lag(): about 30 ms; a longer rest is counted by the next calls
_OTHER_FORMATS = {
    b"PAR1": "a Parquet file (source.files.format: parquet)",
    b"\x1f\x8b": "compressed by gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"BZh": "compressed by bzip2",
    b"\xfd7zX": "compressed by xz",
    b"PK\x03\x04": "a zip archive",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
"""How files begin that hold no line of JSON: each of their lines would be a reject."""
_HEADERS = (("content-type", b"application/json"),)
_CUT_HEADERS = (*_HEADERS, ("truncated", b"true"))


class JsonLinesSource(Source):
    """One message for each line of the files that match `path` (a file or a glob), in order of their names.

    Message: topic = the file's path below the glob's fixed folder, partition 0, offset = the byte where the
    line begins, value = the line without its newline, timestamp 0 (a replay gives the same bits). Lines of
    white space are passed over. A line above `max_line_bytes` comes cut, with a header `truncated`, for the
    codec to reject.

    With `follow` the files are looked at every `look_every_s`, new files join, a last line without its
    newline is waited for, and the source never ends. Without, the files that are there at `open` are read
    to their end. While several files grow at once, the order between them (never within one) depends on
    when each grew.

    Position: for each file its offset and a SHA-256 of the up to 4 KiB read last. Before more is read those
    bytes are read again: a file truncated or replaced is PositionLost. A file may be deleted once it was
    read to its end. The position takes about 180 bytes for each file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        follow: bool = False,
        max_line_bytes: int = 16 << 20,
        look_every_s: float = 0.2,
        name: str = "json_lines",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if max_line_bytes < 1 or look_every_s <= 0:
            raise ConfigError(
                f"{name}: max_line_bytes {max_line_bytes} and look_every_s {look_every_s} must be above 0"
            )
        self.name = name
        self._pattern = os.fspath(path)
        self._folder = _fixed_folder(self._pattern)
        self._follow = follow
        self._max_line_bytes = max_line_bytes
        self._look_every_s = look_every_s
        self._sleep = sleep
        self._paused = False
        self._exhausted = False
        self._tails: dict[str, Tail] = {}
        self._files: list[str] = []  # the keys of _tails, sorted
        self._shortage = Shortage(name=name)
        self._current = ""  # the file that is being read: the next poll begins there

    def open(self, position: Position | None) -> None:
        if position is not None:
            refuse_other(position, ("current", "files"), name=self.name)
        self._shortage.wait(lambda: self._open(position), sleep=self._sleep)

    def _open(self, position: Position | None) -> None:
        refuse_to_look()
        self.close()
        self._tails, self._current, self._exhausted = {}, "", False
        self._look()
        if position is not None:
            self._restore(position)
        elif not self._tails and not self._follow:
            raise SourceUnreachable(
                f"{self.name}: no file matches {self._pattern}; check the path, or set follow"
            )
        else:
            self._refuse_other_formats()

    def _refuse_other_formats(self) -> None:
        """Raises what is said of a file that holds no lines of text, or cannot be read."""
        for tail in self._tails.values():
            try:
                with tail.path.open("rb") as handle:
                    first = handle.read(4)
            except OSError as error:
                raise SourceError(f"{self.name}: {tail.path} cannot be read: {error}") from error
            kind = next((kind for magic, kind in _OTHER_FORMATS.items() if first.startswith(magic)), None)
            if kind is not None:
                raise ConfigError(f"{self.name}: {tail.path} is {kind}; expected lines of JSON as plain text")

    def _restore(self, position: Position) -> None:
        self._current = position["current"]
        for file, state in position["files"].items():
            if file in self._tails:
                self._tails[file].restore(state)
            elif not state["ended"]:
                raise PositionLost(
                    f"{self.name}: {self._folder / file} is gone, but was read only up to byte "
                    f"{state['offset']}; put it back, or begin anew with a new state folder"
                )

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        if self._paused:
            self._sleep(timeout_s)
            return []
        messages = self._take(max_messages)
        if self._shortage.lasts and not messages:
            self._sleep(timeout_s)
            return []
        waited_s = 0.0
        while not messages and self._follow and waited_s < timeout_s:
            nap_s = min(self._look_every_s, timeout_s - waited_s)
            self._sleep(nap_s)
            waited_s += nap_s
            self._look()
            messages = self._take(max_messages)
        return messages

    def _take(self, max_messages: int) -> list[Message]:
        """One round over the files, from the current one on, until there are enough messages."""
        messages: list[Message] = []
        first = bisect_left(self._files, self._current)
        for file in self._files[first:] + self._files[:first]:
            tail = self._tails[file]
            while len(messages) < max_messages:
                try:
                    line = tail.next_line(whole=self._follow)
                except OutOfDescriptors:
                    self._shortage.begin()
                    return messages
                if line is None:
                    break
                if line.value.strip():
                    headers = _CUT_HEADERS if line.cut else _HEADERS
                    messages.append(Message(line.value, file, 0, line.start, headers=headers))
            if messages:
                self._current = file
            if len(messages) >= max_messages:
                return messages
        self._shortage.end()
        self._exhausted = not self._follow
        return messages

    def _look(self) -> None:
        """Finds new files; forgets those that were read to their end and then deleted."""
        for file in [file for file, tail in self._tails.items() if tail.ended and not tail.path.exists()]:
            del self._tails[file]
        for path in self._match():
            file = path.relative_to(self._folder).as_posix()
            if file not in self._tails:
                self._tails[file] = Tail(path, max_line_bytes=self._max_line_bytes)
        self._files = sorted(self._tails)

    def _match(self) -> list[Path]:
        if os.path.isfile(self._pattern):
            return [Path(self._pattern)]
        return [Path(path) for path in glob.iglob(self._pattern, recursive=True) if os.path.isfile(path)]

    @property
    def position(self) -> Position:
        return {"current": self._current, "files": {file: self._tails[file].state() for file in self._files}}

    def commit(self, position: Position) -> None:
        """Nothing to tell: only the checkpoint keeps the position."""

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def lag(self) -> dict[int, int]:
        """Lines left in all files together, those of white space counted too; {} until they are counted."""
        lines, budget = 0, _COUNT_BYTES
        for tail in self._tails.values():
            try:
                left, read = tail.count(whole=self._follow, max_bytes=budget)
            except OutOfDescriptors:
                return {}
            budget -= read
            if left is None:
                return {}
            lines += left
        return {0: lines}

    def interrupt(self) -> None:
        self._shortage.interrupted = True

    def close(self) -> None:
        for tail in self._tails.values():
            tail.close()

    @property
    def connected(self) -> bool:
        """False while no file descriptor is left to read with."""
        return not self._shortage.lasts

    @property
    def exhausted(self) -> bool:
        return self._exhausted


def _fixed_folder(pattern: str) -> Path:
    """The folder of the file, or of the part of a glob before its first magic: what topics leave out."""
    folder = Path(pattern).parent
    if os.path.isfile(pattern):
        return folder
    while glob.has_magic(str(folder)):
        folder = folder.parent
    return folder
