"""The streams that checkpoints of old versions were written from: the same messages for ever.

Nothing here may change: what is kept in `tests/state/checkpoints_of_*` was learned from it.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from typing import Any

from streamlearner.stream import Message

LATE = 80
"""The message from which on a fifth class comes."""
SHAPES = {
    "grey": (6, 6),
    "colour": (6, 6, 3),
    "features": (12,),
    "large": (16, 16),
    "large colour": (16, 16, 3),
}
NAMES = ("heron", "3", "blue tit", "-1", "wren")
"""Of the classes: texts, and integers as headers write them."""


def noise(*seed: Any, count: int) -> list[float]:
    """Numbers in [0, 1) out of a digest, so that they are the same whatever the libraries."""
    drawn = hashlib.shake_128(repr(seed).encode()).digest(2 * count)
    return [number / 65536 for number in struct.unpack(f"<{count}H", drawn)]


def kind_of(number: int) -> int:
    """The class of a message: one of four in no order, every fifth late one a fifth class."""
    if number >= LATE and number % 5 == 0:
        return 4
    return int(4 * noise("kind", number, count=1)[0])


def label_of(number: int, *, factors: bool) -> Any:
    kind = kind_of(number)
    return {"bird": NAMES[kind], "size": kind % 2} if factors else NAMES[kind]


def task_of(number: int) -> str | None:
    """Half of the messages name their task, where any does."""
    return f"task {kind_of(number) % 2}" if number % 4 < 2 else None


def values_of(number: int, kind: int, *, inputs: str) -> list[Any]:
    """What its class looks like, with noise of its own: bytes, or floats of three scales."""
    count = math.prod(SHAPES[inputs])
    pairs = zip(noise("class", kind, count=count), noise("example", number, count=count), strict=True)
    if inputs == "features":
        return [10.0 ** (i % 3) * (2 * (a > 0.5) + b) for i, (a, b) in enumerate(pairs)]
    return [int(160 * (a > 0.5) + 90 * b) for a, b in pairs]


def nested(number: int, kind: int, *, inputs: str) -> Any:
    """The same as JSON has it."""
    values = values_of(number, kind, inputs=inputs)
    for size in reversed(SHAPES[inputs][1:]):
        values = [values[i : i + size] for i in range(0, len(values), size)]
    return values


def message(number: int, *, inputs: str, factors: bool, tasks: bool) -> Message:
    """Every 17th is one that was sent before, every 29th no example."""
    values, label = values_of(number, kind_of(number), inputs=inputs), label_of(number, factors=factors)
    headers = {
        "shape": ",".join(map(str, SHAPES[inputs])),
        "dtype": "float32" if inputs == "features" else "uint8",
        "label": json.dumps(label) if factors else label,
        "id": f"example {number - 6 if number % 17 == 16 else number}",
    }
    if tasks and (task := task_of(number)):
        headers["task"] = task
    value = struct.pack(f"<{len(values)}f", *values) if inputs == "features" else bytes(values)
    written = tuple((name, text.encode()) for name, text in headers.items())
    return Message(b"nothing" if number % 29 == 28 else value, "memory", 0, number, headers=written)


def pushed(number: int) -> dict[str, Any]:
    """As the body of POST /v1/examples has it: valid, and sent once."""
    shown = nested(number, kind_of(number), inputs="grey")
    return {"input": shown, "label": label_of(number, factors=False), "id": f"example {number}"}
