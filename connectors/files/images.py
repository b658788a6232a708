"""A folder of images, one sub-folder for each label."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from streamlearner.connectors.files.descriptors import refuse_if_short
from streamlearner.connectors.files.indexed import IndexedSource, check_order, digest_of, shuffled
from streamlearner.errors import SourceError, SourceUnreachable
from streamlearner.stream import Message

_CONTENT_TYPES = {
    ".png": b"image/png",
    ".jpg": b"image/jpeg",
    ".jpeg": b"image/jpeg",
    ".webp": b"image/webp",
}


class ImageFolderSource(IndexedSource):
    """`root/<label>/<name>.(png|jpg|jpeg|webp)`: the value is the file, the key its path below the root.

    Order "label" (or "stored") sorts by label, then name; "name" by name, then label; "shuffled" permutes
    that of "label" with `seed`. The manifest digest covers every path and size in that order: after a file
    was added, removed or resized a position no longer fits. Other files in the folder are passed over. A
    file that is there at `open` and gone when its turn comes is a SourceError: to go on would lose it
    silently.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        order: str = "label",
        seed: int = 0,
        name: str = "images",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(name=name, sleep=sleep)
        self._root = Path(root)
        self._order = check_order(order, ("stored", "label", "name", "shuffled"), name=name)
        self._seed = seed
        self._files: list[tuple[str, str]] = []

    def _load(self) -> tuple[int, str]:
        found = self._find()
        if self._order == "name":
            found.sort(key=lambda entry: (entry[1], entry[0]))
        else:
            found.sort()
        if self._order == "shuffled":
            found = [found[i] for i in shuffled(len(found), seed=self._seed)]
        self._files = [(label, file) for label, file, _ in found]
        parts = (f"{label}/{file}:{size}".encode("utf-8", "surrogateescape") for label, file, size in found)
        return len(found), digest_of(parts)

    def _find(self) -> list[tuple[str, str, int]]:
        """(label, file name, bytes) of every image, in no order."""
        try:
            labels = [entry.name for entry in os.scandir(self._root) if entry.is_dir()]
        except OSError as error:
            raise SourceUnreachable(
                f"{self.name}: the folder {self._root} cannot be listed: {error}"
            ) from error
        return [
            (label, entry.name, entry.stat().st_size)
            for label in labels
            for entry in os.scandir(self._root / label)
            if os.path.splitext(entry.name)[1].lower() in _CONTENT_TYPES and entry.is_file()
        ]

    def _nothing(self) -> str:
        here = sum(1 for entry in os.scandir(self._root) if entry.is_file())
        return (
            f"expected images ({', '.join(_CONTENT_TYPES)}) in sub-folders of {self._root}, each called as "
            f"its label; the folder itself holds {here} files"
        )

    def _read(self, start: int, stop: int) -> list[Message]:
        return [self._message(index) for index in range(start, stop)]

    def _message(self, index: int) -> Message:
        label, file = self._files[index]
        path = self._root / label / file
        try:
            value = path.read_bytes()
        except OSError as error:
            refuse_if_short(error)
            raise SourceError(
                f"{self.name}[0]@{index}: {path} was there at open and cannot be read now: "
                f"{error}; put it back, or begin anew with a new state folder"
            ) from error
        content_type = _CONTENT_TYPES[path.suffix.lower()]
        return Message(
            value=value,
            topic=self.name,
            partition=0,
            offset=index,
            key=os.fsencode(f"{label}/{file}"),
            headers=(("content-type", content_type), ("label", os.fsencode(label))),
        )
