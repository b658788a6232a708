"""Many labelled examples of one shape as one body of MessagePack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamlearner.client.inputs import as_stretch

ROWS_MEDIA = "application/vnd.msgpack"


def as_rows(
    inputs: Any,
    labels: Sequence[str | int | Mapping[str, str | int]],
    *,
    tasks: Sequence[str | int | None] | None,
    ids: Sequence[str | int | None] | None,
) -> bytes:
    """`inputs`: an array [n, d], [n, H, W] or [n, H, W, C] of numpy, or of what numpy can read."""
    import msgpack

    data, shape, dtype = as_stretch(inputs)
    body = {"inputs": data, "shape": shape, "dtype": dtype, "labels": [_plain(label) for label in labels]}
    named = {"tasks": tasks, "ids": ids}
    body |= {key: [_plain(value) for value in given] for key, given in named.items() if given is not None}
    packed: bytes = msgpack.packb(body)
    return packed


def _plain(value: Any) -> Any:
    """A number of numpy as one of Python."""
    return value.item() if hasattr(value, "item") else dict(value) if isinstance(value, Mapping) else value
