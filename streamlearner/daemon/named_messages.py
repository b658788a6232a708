"""Messages by name: as short as a line of the log, or a note before each batch, has to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from streamlearner.stream import Message

MOST_NAMED = 20
"""Stretches of a partition, and ids, that one line names."""


def stretches(messages: Iterable[Message]) -> list[list[Any]]:
    """[topic, partition, first offset, last offset] of each unbroken stretch, as JSON."""
    found: list[list[Any]] = []
    last: dict[tuple[str, int], list[Any]] = {}
    for message in messages:
        topic, partition, offset = message.topic, message.partition, message.offset
        stretch = last.get((topic, partition))
        if stretch is not None and stretch[3] == offset - 1:
            stretch[3] = offset
        else:
            last[topic, partition] = stretch = [topic, partition, offset, offset]
            found.append(stretch)
    return found


def names_in(stretches: Iterable[Sequence[Any]]) -> list[tuple[str, int, int]]:
    """Topic, partition and offset of each message in them."""
    return [(topic, part, at) for topic, part, first, last in stretches for at in range(first, last + 1)]


def named(messages: Iterable[Message], ids: Sequence[str | None] = ()) -> str:
    """`topic[partition]@first-last` of each stretch, and what producers call them: `(ids a, b)`."""
    texts = [
        f"{topic}[{partition}]@{first}" + (f"-{last}" if last > first else "")
        for topic, partition, first, last in stretches(messages)
    ]
    known = [name for name in ids if name is not None]
    return _some(texts) + (f" (ids {_some(known)})" if known else "")


def _some(texts: Sequence[str]) -> str:
    left = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {left} more" if left > 0 else "")
