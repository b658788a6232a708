"""Compressed request bodies: inflated within the limit of a body, or refused."""

from __future__ import annotations

import zlib

from streamlearner.serving.problems import Problem

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""What zlib calls each content coding: a gzip header, or its own."""
_ACCEPTED = "gzip, deflate"
_OF_MEMBERS = ("gzip", "x-gzip")
_MEMBER = b"\x1f\x8b"
MOST_MEMBERS = 10_000
"""Of one body: each costs 4 us, and takes no more than 20 bytes of it."""
_PIECE_BYTES = 16 * 1024


def coding(content_encoding: str) -> str | None:
    """The one content coding that a body has; None for none. Raises the 415 for one that is not read here."""
    names = [name for part in content_encoding.lower().split(",") if (name := part.strip()) != "identity"]
    names = [name for name in names if name]
    if not names:
        return None
    if len(names) > 1 or names[0] not in _WINDOW_BITS:
        text = f"content-encoding is {content_encoding[:80]!r}; expected one of {_ACCEPTED}, or none"
        raise Problem(415, text, headers={"Accept-Encoding": _ACCEPTED})
    return names[0]


def inflated(body: bytes, name: str, *, max_bytes: int) -> bytes:
    """The bytes that were compressed; of gzip in one member or several, one after the other (RFC 1952).
    Raises `Problem`: 413 for more than `max_bytes`, of which no more are made than that, 400 where they are
    torn or followed by others."""
    made: list[bytes] = []
    start, left = 0, max_bytes
    for members in range(MOST_MEMBERS):
        if members and (start == len(body) or not _goes_on(body, start, name)):
            break
        try:
            found, start = _member(body, start, name, most=left + 1)
        except zlib.error as error:
            raise Problem(400, f"the body is not {name}, as its content-encoding says: {error}") from None
        made.append(found)
        left -= len(found)
        if left < 0:
            text = f"the body has more than {max_bytes} bytes once inflated; expected at most {max_bytes}"
            raise Problem(413, f"{text} (serving.max_body_bytes)")
    if start < len(body):
        many = _goes_on(body, start, name)
        wrong = f"has more than {MOST_MEMBERS} members" if many else "is followed by other bytes"
        raise Problem(400, f"the body's {name} stream {wrong}")
    return b"".join(made)


def _goes_on(body: bytes, start: int, name: str) -> bool:
    """Whether another member begins there; only gzip has several."""
    return name in _OF_MEMBERS and body.startswith(_MEMBER, start)


def _member(body: bytes, start: int, name: str, *, most: int) -> tuple[bytes, int]:
    """At most so many bytes of the member that starts there, and where it ends. Raises `Problem`, zlib.error.

    Read by pieces: zlib copies what follows a member, which would be the rest of the body for each of many.
    """
    inflater = zlib.decompressobj(_WINDOW_BITS[name])
    found: list[bytes] = []
    while not inflater.eof and most > 0:
        if not (piece := inflater.unconsumed_tail or body[start : start + _PIECE_BYTES]):
            raise Problem(400, f"the body's {name} stream ends too early")
        start += 0 if inflater.unconsumed_tail else len(piece)
        found.append(inflater.decompress(piece, most))
        most -= len(found[-1])
    return b"".join(found), start - len(inflater.unused_data)
