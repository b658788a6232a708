"""Compressed request bodies: inflated within the limit of a body, or refused."""

from __future__ import annotations

import zlib

from streamlearner.serving.problems import Problem

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""What zlib calls each content coding: a gzip header, or its own."""
_ACCEPTED = "gzip, deflate"


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
    """The bytes that were compressed. Raises `Problem`: 413 for more than `max_bytes`, of which no more are
    made than that, 400 where they are torn or followed by others."""
    inflater = zlib.decompressobj(_WINDOW_BITS[name])
    try:
        found = inflater.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise Problem(400, f"the body is not {name}, as its content-encoding says: {error}") from None
    if len(found) > max_bytes:
        text = f"the body has more than {max_bytes} bytes once inflated; expected at most {max_bytes}"
        raise Problem(413, f"{text} (serving.max_body_bytes)")
    if not inflater.eof or inflater.unused_data:
        wrong = "ends too early" if not inflater.eof else "is followed by other bytes"
        raise Problem(400, f"the body's {name} stream {wrong}")
    return found
