"""A reject, as the tests of dead letters write it."""

from __future__ import annotations

from streamlearner.stream import Message, Reject


def reject(offset: int = 7, value: bytes | None = b"\x00raw\xff", key: bytes | None = b"k") -> Reject:
    message = Message(value, "t", 2, offset, key, (("h", b"\xfe"), ("h", b"2")), 123)
    return Reject(message, "schema", "expected [1, 28, 28]")
