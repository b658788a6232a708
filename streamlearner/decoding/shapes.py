"""Shapes as they are told: the way one sends them, channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def written(shape: Sequence[int]) -> list[int]:
    """The shape [C, H, W] or [d] of an input as one writes it outside: [H, W, C], of one channel [H, W], or
    [d]."""
    if len(shape) != 3:
        return list(shape)
    channels, height, width = shape
    return [height, width] if channels == 1 else [height, width, channels]


def shown_kind(shape: Sequence[int]) -> dict[str, Any]:
    """What documents say of the stream's inputs: `shape` as written, `dtype` (images are uint8, vectors
    float32)."""
    return {"shape": written(shape), "dtype": "uint8" if len(shape) == 3 else "float32"}
