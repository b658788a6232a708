"""Feature vectors as float32; NaN where a number is missing, if any may be."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamlearner.errors import InvalidInput


def as_vector(array: NDArray[Any], *, missing: Collection[float] | None) -> NDArray[np.float32]:
    """`array` [d] of any number type. Where it holds one of `missing`, or NaN, a number is missing; None:
    none may be. Raises `InvalidInput` for what float32 cannot hold, and where NaN may not be."""
    if missing is None and array.dtype == np.float32 and np.isfinite(array).all():
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32, copy=False)
        absent = np.zeros(len(array), bool) if missing is None else np.isnan(narrow)
        for value in missing or ():
            short = np.float32(value)  # a producer may have had it as float32; else as it is written
            absent |= narrow == short if np.isfinite(short) else array == value
    if absent.any():
        narrow = np.where(absent, np.float32(math.nan), narrow)
    if not (np.isfinite(narrow) | absent).all():
        raise InvalidInput(
            "value", "input holds NaN, infinity or a number beyond float32; expected finite numbers"
        )
    return narrow
