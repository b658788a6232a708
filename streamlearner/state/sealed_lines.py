"""A small document of JSON, written so that one changed bit is no loss."""

from __future__ import annotations

import hashlib
import json
from typing import Any

SEAL = "sha256"


def to_bytes(fields: dict[str, Any]) -> bytes:
    """A sealed line, twice; an empty one lies between, as the bit may be that of an end of line."""
    line = json.dumps(fields | {SEAL: _seal(fields)}).encode()
    return line + b"\n\n" + line + b"\n"


def from_bytes(data: bytes, *names: str) -> dict[str, Any]:
    """The fields of the first line that is whole: these, as it seals their values alone. Raises ValueError
    where none is."""
    lines = [line for line in data.splitlines() if line]
    for line in lines:
        try:
            fields = dict(json.loads(line))
        except (ValueError, TypeError):
            continue
        seal = fields.pop(SEAL, None)
        sealed = seal == _seal(fields) or (seal is None and len(lines) == 1)  # the first ones had no seal
        if sealed and fields.keys() == set(names):
            return fields
    raise ValueError("no line of it is as it was written")


def _seal(fields: dict[str, Any]) -> str:
    return hashlib.sha256(" ".join(json.dumps(value) for value in fields.values()).encode()).hexdigest()
