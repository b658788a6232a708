"""Tensors of the protocol: to and from its raw bytes (row-major, little-endian) and its lists of values."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamlearner.decoding.labels import shown
from streamlearner.errors import InvalidInput

DTYPES = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""What numpy calls each datatype; it has none for BF16 (read as FP32) and BYTES (an array of `bytes`)."""
DATATYPES = (*DTYPES, "BF16", "BYTES")
MOST_DIMENSIONS = 8

_LENGTH = struct.Struct("<I")
"""Stands before each element of BYTES in the raw form."""


@dataclass(frozen=True, slots=True)
class NamedTensor:
    """`values` has the shape of the tensor; of BYTES it is an object array of `bytes`."""

    name: str
    datatype: str
    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """As it is written in a request or an answer."""
        return self.values.shape

    def raw(self) -> bytes:
        """The bytes of the binary form."""
        if self.datatype != "BYTES":
            return self.values.astype(DTYPES[self.datatype], copy=False).tobytes()
        return b"".join(_LENGTH.pack(len(each)) + each for each in self.values.flat)

    def listed(self) -> list[Any]:
        """The values one after the other, as in JSON; those of BYTES as texts."""
        if self.datatype != "BYTES":
            found: list[Any] = self.values.ravel().tolist()
            return found
        return [each.decode("utf-8", "replace") for each in self.values.flat]


def from_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> NamedTensor:
    """A tensor from the bytes of the binary form. Raises `InvalidInput`."""
    _check_shape(name, shape)
    if datatype == "BYTES":
        return NamedTensor(name, datatype, _of_bytes(name, _split(name, raw, count=prod(shape)), shape))
    size = 2 if datatype == "BF16" else _dtype(name, datatype).itemsize
    if prod(shape) * size != len(raw):
        text = f"tensor {shown(name)} has {len(raw)} bytes"
        raise InvalidInput("shape", f"{text}; shape {list(shape)} of {datatype} takes {prod(shape) * size}")
    if datatype == "BF16":  # the upper half of a float32
        values = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
    else:
        values = np.frombuffer(raw, DTYPES[datatype])
    return NamedTensor(name, datatype, values.reshape(shape))


def from_values(name: str, datatype: str, shape: Sequence[int], values: Sequence[Any]) -> NamedTensor:
    """A tensor from its values, flat or nested, row-major. Raises `InvalidInput`."""
    _check_shape(name, shape)
    if datatype == "BYTES":
        flat = [_element(name, each) for each in _flat(name, values)]
        _check_count(name, len(flat), shape, datatype)
        return NamedTensor(name, datatype, _of_bytes(name, flat, shape))
    found = _numbers(name, datatype, values)
    _check_count(name, found.size, shape, datatype)
    return NamedTensor(name, datatype, found.reshape(shape))


def _numbers(name: str, datatype: str, values: Sequence[Any]) -> NDArray[Any]:
    """Not `np.asarray(values, dtype)`, which would cut 1.5 to 1 and read "3" as 3."""
    dtype = np.dtype("<f4") if datatype == "BF16" else _dtype(name, datatype)
    try:
        found = np.asarray(values)
    except ValueError:
        raise InvalidInput(
            "shape", f"tensor {shown(name)} has ragged data; expected lists of one length"
        ) from None
    if not found.size:
        return found.astype(dtype)
    if found.dtype.kind not in {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}[dtype.kind]:
        raise InvalidInput("value", f"tensor {shown(name)} is {datatype}, but its data are not such numbers")
    if dtype.kind in "iu":
        limits, low, high = np.iinfo(dtype), int(found.min()), int(found.max())
        if low < limits.min or high > limits.max:
            text = f"tensor {shown(name)} holds {low} to {high}"
            raise InvalidInput("value", f"{text}; {datatype} holds {limits.min} to {limits.max}")
    with np.errstate(over="ignore"):
        return found.astype(dtype)


def _dtype(name: str, datatype: str) -> np.dtype[Any]:
    if datatype not in DTYPES:
        expected = ", ".join(DATATYPES)
        raise InvalidInput(
            "dtype", f"tensor {shown(name)}: datatype is {shown(datatype)}; expected one of {expected}"
        )
    return DTYPES[datatype]


def _check_shape(name: str, shape: Sequence[int]) -> None:
    if not 1 <= len(shape) <= MOST_DIMENSIONS or not all(0 <= side < 2**31 for side in shape):
        text = f"tensor {shown(name)}: shape is {shown(list(shape))}"
        raise InvalidInput(
            "shape", f"{text}; expected 1 to {MOST_DIMENSIONS} sides, none negative or beyond 2**31"
        )


def _check_count(name: str, found: int, shape: Sequence[int], datatype: str) -> None:
    if found != prod(shape):
        text = f"tensor {shown(name)} has {found} values"
        raise InvalidInput("shape", f"{text}; shape {list(shape)} of {datatype} takes {prod(shape)}")


def _of_bytes(name: str, elements: Sequence[bytes], shape: Sequence[int]) -> NDArray[Any]:
    values = np.empty(len(elements), dtype=object)
    values[:] = elements
    return values.reshape(shape)


def _split(name: str, raw: bytes, *, count: int) -> list[bytes]:
    """The elements of BYTES in the raw form."""
    elements: list[bytes] = []
    place = 0
    while place < len(raw) and len(elements) < count:
        begin = place + _LENGTH.size
        place = begin + (_LENGTH.unpack_from(raw, place)[0] if begin <= len(raw) else 1)
        if place > len(raw):
            break
        elements.append(raw[begin:place])
    if place != len(raw) or len(elements) != count:
        text = f"tensor {shown(name)}: its {len(raw)} bytes are not {count} elements of BYTES"
        raise InvalidInput("shape", f"{text}, each with its length in 4 bytes before it")
    return elements


def _flat(name: str, values: Sequence[Any]) -> list[Any]:
    """The leaves of nested lists."""
    flat = list(values)
    for _ in range(MOST_DIMENSIONS):
        if not any(isinstance(each, list) for each in flat):
            return flat
        flat = [leaf for each in flat for leaf in (each if isinstance(each, list) else [each])]
    raise InvalidInput("shape", f"tensor {shown(name)} has data nested deeper than {MOST_DIMENSIONS} lists")


def _element(name: str, value: object) -> bytes:
    if type(value) is bytes:
        return value
    if type(value) is not str:
        raise InvalidInput(
            "value", f"tensor {shown(name)} is BYTES, but holds {shown(value)}; expected texts"
        )
    return value.encode("utf-8", "surrogatepass")
