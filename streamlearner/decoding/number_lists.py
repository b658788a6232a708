"""Inputs as lists of numbers, as JSON and MessagePack bring them."""

from __future__ import annotations

from itertools import chain
from math import isfinite, nan
from struct import error as StructError
from struct import pack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamlearner.decoding.labels import shown
from streamlearner.decoding.vectors import ABSENT
from streamlearner.errors import InvalidInput

Array = NDArray[Any]


def from_list(value: list[Any], *, may_miss: bool) -> Array:
    """uint8 of two or three dimensions, or float32 of one to three.

    numpy itself would guess (True is 1, "1" is text) and take 400 us for an MNIST digit; the set of the types
    at each level is exact and takes a tenth of that. Raises `InvalidInput`.
    """
    shape, flat = [len(value)], value
    while flat and type(flat[0]) is list:
        if set(map(type, flat)) != {list} or len(set(map(len, flat))) != 1:
            raise InvalidInput(
                "shape", f"input is ragged below dimension {len(shape)}; expected lists of equal length"
            )
        if len(shape) == 3:
            raise InvalidInput("shape", "input has more than 3 dimensions; expected d, HxW or HxWxC")
        shape.append(len(flat[0]))
        flat = list(chain.from_iterable(flat))
    if not flat:
        raise InvalidInput("shape", f"input has shape {shape}; expected at least one number")
    kinds = set(map(type, flat))
    if may_miss and len(shape) == 1 and type(None) in kinds:
        flat, kinds = [nan if leaf is None else leaf for leaf in flat], kinds - {type(None)} | {float}
    if not kinds <= {int, float}:
        wrong = next(leaf for leaf in flat if type(leaf) not in (int, float))
        reason = "shape" if type(wrong) is list else "value"
        if wrong is None:
            expected = f"numbers{ABSENT if len(shape) == 1 else ''}"
            raise InvalidInput("value", f"input holds null; expected {expected}")
        raise InvalidInput(reason, f"input holds {shown(wrong)}; expected numbers only")
    if len(shape) == 1 and (vector := _float32(flat)) is not None:
        return vector
    try:
        if kinds == {int} and len(shape) > 1:
            return np.frombuffer(bytes(flat), np.uint8).reshape(shape)
        return np.array(flat, np.float64).reshape(shape)
    except (ValueError, OverflowError):  # of bytes(), or of an integer beyond float64
        expected = "0..255 in an image" if len(shape) > 1 else "numbers that float32 can hold"
        found = f"{shown(min(flat))} to {shown(max(flat))}"
        raise InvalidInput("value", f"input holds {found}; expected {expected}") from None


def _float32(numbers: list[float]) -> Array | None:
    """They as float32, rounded as numpy would, in a third of the time; None where one is not finite so."""
    try:
        if isfinite(sum(numbers)):
            return np.frombuffer(pack(f"<{len(numbers)}f", *numbers), "<f4")
    except (OverflowError, StructError):
        pass
    return None
