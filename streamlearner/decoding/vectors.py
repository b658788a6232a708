"""Feature vectors as float32; NaN where a number is missing, if any may be."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamlearner.errors import InvalidInput

ABSENT = ", or codec.missing_values for those that are missing"


def as_vector(array: NDArray[Any], *, missing: Collection[float] | None) -> NDArray[np.float32]:
    """`array` [d] of any number type. Where it holds one of `missing`, or NaN, a number is missing; None:
    none may be. Raises `InvalidInput` for what float32 cannot hold, and where NaN may not be."""
    narrow = _narrow(array)
    if not missing and _is_finite(narrow):
        return narrow
    absent = np.zeros(len(array), bool) if missing is None else np.isnan(narrow)
    with np.errstate(over="ignore"):
        for value in missing or ():
            short = np.float32(value)  # a producer may have had it as float32; else as it is written
            absent |= narrow == short if np.isfinite(short) else array == value
    if absent.any():
        narrow = np.where(absent, np.float32(math.nan), narrow)
    if not (good := np.isfinite(narrow) | absent).all():
        raise InvalidInput("value", _refusal(array, good, may_miss=missing is not None))
    return narrow


def _narrow(array: NDArray[Any]) -> NDArray[np.float32]:
    """What lies beyond float32 becomes infinite."""
    if array.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _is_finite(array: NDArray[np.float32]) -> bool:
    return bool(np.count_nonzero(np.isfinite(array)) == array.size)  # half of what `all()` takes


def _refusal(array: NDArray[Any], good: NDArray[np.bool_], *, may_miss: bool) -> str:
    """Which number is refused, the first one, and why."""
    place = int(np.argmin(good))
    value = float(array[place])
    found = "NaN" if math.isnan(value) else f"{value:g}, beyond float32"
    if math.isinf(value):  # of a float32 array nobody knows what it was before
        found = "infinity" if array.dtype.itemsize > 4 else "infinity, or a number beyond float32"
    expected = f"finite numbers{'' if may_miss else ABSENT}"
    return f"input holds {found} (number {place} of {len(array)}, from 0); expected {expected}"
