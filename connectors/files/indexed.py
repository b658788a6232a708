"""What the finite file sources share: a backlog whose length and order are known in full at `open`."""

from __future__ import annotations

import hashlib
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from streamlearner.connectors.files.descriptors import OutOfDescriptors, Shortage, refuse_to_look
from streamlearner.errors import ConfigError, PositionLost
from streamlearner.stream import Message, Position, Source, refuse_other


class IndexedSource(Source):
    """A finite, ordered backlog; position `{"manifest": digest, "index": messages taken}`.

    The digest covers all that decides which message stands at an index: the content as far as it
    can be read cheaply, the order, the seed. An implementer gives `_load` (called by `open`) and `_read`.
    Timestamps are 0, so that a replay gives the same messages bit for bit.
    """

    def __init__(self, *, name: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self._sleep = sleep
        self._paused = False
        self._opened = False
        self._manifest = ""
        self._count = 0
        self._index = 0
        self._shortage = Shortage(name=name)

    @abstractmethod
    def _load(self) -> tuple[int, str]:
        """Looks at what there is; the number of messages, and the digest that a position is held against."""

    @abstractmethod
    def _read(self, start: int, stop: int) -> list[Message]:
        """The messages [start, stop) of the order; 0 <= start < stop <= count."""

    def _nothing(self) -> str:
        """Where an example was looked for, and why none was found."""
        return "it is empty"

    def open(self, position: Position | None) -> None:
        if position is not None:
            refuse_other(position, ("index", "manifest"), name=self.name)
        self._count, self._manifest = self._shortage.wait(self._look, sleep=self._sleep)
        if not self._count:
            raise ConfigError(f"{self.name}: there is no example in it: {self._nothing()}")
        self._index = 0 if position is None else self._seek(position)
        self._opened = True

    def _look(self) -> tuple[int, str]:
        refuse_to_look()
        return self._load()

    def interrupt(self) -> None:
        self._shortage.interrupted = True

    def _seek(self, position: Position) -> int:
        manifest, index = position["manifest"], position["index"]
        if manifest != self._manifest:
            raise PositionLost(
                f"{self.name}: the position belongs to content or an order with digest {str(manifest)[:12]}, "
                f"but this is {self._manifest[:12]} ({self._count} messages): files were added, removed or "
                "changed, or the order or its seed is another. Restore them, or begin anew with a new state "
                "folder"
            )
        if not isinstance(index, int) or not 0 <= index <= self._count:
            raise PositionLost(f"{self.name}: position {index!r} is outside of its {self._count} messages")
        return index

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        if self._paused:
            self._sleep(timeout_s)
            return []
        stop = min(self._index + max_messages, self._count)
        if stop <= self._index:
            return []
        try:
            messages = self._read(self._index, stop)
        except OutOfDescriptors:
            self._shortage.begin()
            self._sleep(timeout_s)
            return []
        self._shortage.end()
        self._index = stop
        return messages

    @property
    def position(self) -> Position:
        return {"manifest": self._manifest, "index": self._index}

    def commit(self, position: Position) -> None:
        """Nothing to tell: only the checkpoint keeps the position."""

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def lag(self) -> dict[int, int]:
        return {0: self._count - self._index}

    def close(self) -> None:
        """Nothing is held between polls."""

    @property
    def connected(self) -> bool:
        """False while no file descriptor is left to read with."""
        return not self._shortage.lasts

    @property
    def exhausted(self) -> bool:
        return self._opened and self._index >= self._count


def check_order(order: str, allowed: tuple[str, ...], *, name: str) -> str:
    """`order`, or a ConfigError that lists what could have been asked for."""
    if order not in allowed:
        raise ConfigError(f"{name}: order {order!r} is unknown; expected one of {', '.join(allowed)}")
    return order


def shuffled(count: int, *, seed: int) -> NDArray[np.int64]:
    """A permutation of `count` that is the same for the same seed."""
    return np.random.Generator(np.random.PCG64(seed)).permutation(count).astype(np.int64)


def digest_of(parts: Iterable[bytes]) -> str:
    """SHA-256 over the parts, each with its length before it, so that no two lists of parts collide."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
