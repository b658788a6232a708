"""Sockets go from one process to the other over a pair of local ones, each with a few words about it."""

from __future__ import annotations

import os
import socket
from typing import Any

import msgpack

_WORDS_BYTES = 4096
POSSIBLE = hasattr(os, "memfd_create")
"""Where not (outside Linux), there is no gateway."""


def pair() -> tuple[socket.socket, socket.socket]:
    """A message stays whole; a full queue refuses instead of waiting."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def send(over: socket.socket, words: list[Any], handles: list[int] = []) -> bool:  # noqa: B006
    """Whether it could be sent now. The descriptors stay open here, too."""
    try:
        socket.send_fds(over, [msgpack.packb(words)], handles)
    except (BlockingIOError, BrokenPipeError, ConnectionError):
        return False
    return True


def receive(over: socket.socket) -> tuple[list[Any], list[int]] | None:
    """The next message. None where the other process has ended. Raises `BlockingIOError` where none waits."""
    try:
        body, handles, _, _ = socket.recv_fds(over, _WORDS_BYTES, 2)
    except ConnectionError:
        return None
    return (msgpack.unpackb(body), handles) if body else None


def kept_aside(data: bytes) -> int:
    """A descriptor of a file in memory that holds these bytes: they may be more than a message takes."""
    handle = os.memfd_create("streamlearner")
    with os.fdopen(os.dup(handle), "wb") as file:
        file.write(data)
    return handle


def taken_up(handle: int) -> bytes:
    """The bytes of such a file, which is closed."""
    with os.fdopen(handle, "rb") as file:
        file.seek(0)
        return file.read()
