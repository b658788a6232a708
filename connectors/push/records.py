"""What is pushed, and what an append answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

from streamlearner.connectors.push.store import LogRecord
from streamlearner.errors import StreamlearnerError
from streamlearner.stream import Position

Headers: TypeAlias = tuple[tuple[str, bytes], ...]


class BacklogFull(StreamlearnerError):
    """The log holds as much as it may; nothing of the call was stored. Send it again later (HTTP 429)."""


class AppendTooLarge(StreamlearnerError):
    """One call brings more than an empty log may hold: it can never be taken (HTTP 413)."""


@dataclass(frozen=True, slots=True)
class PushRecord:
    """One labelled example as it is to appear on the stream. `id` makes sending it again harmless."""

    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    id: str | None = None
    timestamp_ms: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one append did; `position` is the place behind its last record."""

    accepted: int
    duplicates: int
    position: Position


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """An erasure in the log: its offset, and how many records were blanked before they were read."""

    offset: int
    blanked: int


GONE = ("erase", "gone")
"""The only header of a record that was blanked."""


def log_record(record: PushRecord) -> LogRecord:
    """As it is stored."""
    if record.id is None:
        text = _shared_text(record.headers)
    elif any(name == "id" for name, _ in record.headers):
        text = _text(record.headers)
    else:
        shared, id = _shared_text(record.headers)[1:-1], header_text("id", record.id.encode())
        text = f"[{shared}, {id}]" if shared else f"[{id}]"
    digest = None if record.id is None else blake2b(record.id.encode(), digest_size=16).digest()
    size = len(record.value) + len(record.key or b"") + len(text)
    return LogRecord(digest, size, record.timestamp_ms, record.key, text, record.value)


def _text(headers: Headers) -> str:
    return json.dumps([(name, value.decode("latin-1")) for name, value in headers])  # any byte, and back


_shared_text = lru_cache(maxsize=4096)(_text)
"""Without an id: examples of one shape and class have the same."""


def header_text(name: str, value: bytes) -> str:
    """As it stands in a stored record."""
    return json.dumps((name, value.decode("latin-1")))


def headers_of(text: str) -> tuple[tuple[str, bytes], ...]:
    """Those of a stored record."""
    return tuple((name, value.encode("latin-1")) for name, value in json.loads(text))
