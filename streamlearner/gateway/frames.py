"""What the gateway asks the daemon, and what it is told: MessagePack behind its length."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import msgpack

_LENGTH = struct.Struct(">I")


class Asker(NamedTuple):
    """One request in a group: how many inputs it has, who sent it and with which Authorization ("": none),
    and when it had been read, of `time.perf_counter`, which all processes share."""

    inputs: int
    address: str
    authorization: str
    started_s: float


class Group(NamedTuple):
    """Requests whose inputs can be answered in one pass: `data` holds them one after the other, [C, H, W]
    uint8 or [d] float32 each."""

    shape: tuple[int, ...]
    dtype: str
    task: str | None
    probabilities: bool
    data: bytes
    askers: list[Asker]


class Told(NamedTuple):
    """The answer to one request: an id, and for each input label, probability, and the probabilities if they
    were asked for."""

    prediction_id: str
    answers: list[tuple[Any, Any, Any]]


class Reply(NamedTuple):
    """To one group; None instead of `Told` where the daemon wants to see the request itself."""

    version: str
    route: str
    told: list[Told | None]


def packed(message: Any) -> bytes:
    """A message with its length before it."""
    body: bytes = msgpack.packb(message, unicode_errors="surrogatepass")
    return _LENGTH.pack(len(body)) + body


def unpacked(body: bytes) -> Any:
    """Labels may be keys, so keys may be integers; texts may hold what came in, lone surrogates included."""
    return msgpack.unpackb(body, strict_map_key=False, unicode_errors="surrogatepass")


def groups(message: Any) -> list[Group]:
    """The groups of a question."""
    return [
        Group(tuple(shape), dtype, task, probabilities, data, [Asker(*asker) for asker in askers])
        for shape, dtype, task, probabilities, data, askers in message
    ]


def replies(message: Any) -> list[Reply]:
    """The replies to a question, one for each group."""
    return [
        Reply(version, route, [None if one is None else Told(*one) for one in told])
        for version, route, told in message
    ]


def read(stream: IO[bytes]) -> Iterator[Any]:
    """Messages as they come, until the other process ends."""
    while len(length := stream.read(_LENGTH.size)) == _LENGTH.size:
        (size,) = _LENGTH.unpack(length)
        body = stream.read(size)
        if len(body) < size:
            return
        yield unpacked(body)


class Frames:
    """The same of bytes that come in any pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + size
            if len(self._buffer) < end:
                return
            message = unpacked(bytes(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
            yield message
