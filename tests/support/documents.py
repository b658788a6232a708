"""What another program that read a document and wrote it again left out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def lost(written: Any, known: Any, path: str = "") -> Iterator[str]:
    """Where `known` lacks or changes what was `written`; an absent key is as good as an empty value."""
    if isinstance(written, dict):
        for name, value in written.items():
            place = f"{path}.{name}".removeprefix(".")
            if isinstance(known, dict) and name in known:
                yield from lost(value, known[name], place)
            elif value not in (None, [], {}, ""):
                yield place
    elif isinstance(written, list) and isinstance(known, list) and len(written) == len(known):
        for one, other in zip(written, known, strict=True):
            yield from lost(one, other, path)
    elif written != known:
        yield path
