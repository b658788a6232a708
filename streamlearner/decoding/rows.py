"""Many labelled examples of one shape in one body of MessagePack, their inputs as one stretch of bytes.

The map has `inputs`, the bytes of all inputs in row-major order; `shape`, a list of their number and the
shape of one (d, HxW or HxWxC); `dtype`, uint8 (or none), float32 or float64, little-endian; `labels`, one for
each; and `tasks` and `ids`, lists of as many with nil for none, or neither. Nothing of it is trusted: what it
claims is compared with the bytes that are there before memory is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, TypeVar

import numpy as np

from streamlearner.decoding.headers import parse_msgpack
from streamlearner.decoding.inputs import Array, Limits, Schema, read_array, read_dtype, read_shape
from streamlearner.decoding.labels import parse_label, parse_text, shown
from streamlearner.decoding.shapes import written
from streamlearner.decoding.vectors import as_vector
from streamlearner.errors import InvalidInput
from streamlearner.stream import Factors, Label

T = TypeVar("T")

MEDIA = ("application/vnd.msgpack", "application/msgpack", "application/x-msgpack")
"""Content types of such a body; the first is the registered one."""
NEEDED, OPTIONAL = ("inputs", "shape", "labels"), ("dtype", "tasks", "ids")


@dataclass(frozen=True, slots=True)
class Rows:
    """Examples that are valid: `inputs` [n, d] float32, or [n, H, W] or [n, H, W, C] uint8."""

    inputs: Array
    labels: tuple[Label | Factors, ...]
    tasks: tuple[str | None, ...]
    ids: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.labels)


def read_rows(body: bytes, *, most: int, limits: Limits, schema: Schema | None) -> Rows:
    """The examples of a body, at most so many, of the stream's shape where that is known. Raises
    `InvalidInput`, which names the first example that is not valid."""
    found = parse_msgpack(body)
    if not isinstance(found, dict):
        raise InvalidInput("msgpack", f"the body is {shown(found)}; expected a map with {', '.join(NEEDED)}")
    _check_keys(found)
    count, shape = _shape(found["shape"], most=most)
    inputs = _inputs(found["inputs"], (count, *shape), found.get("dtype"), limits=limits)
    first = read_array(inputs[0], limits=limits)
    if schema is not None and first.shape != schema.shape:
        text = f"inputs are {written(first.shape)} {first.dtype.name}; expected {schema}"
        raise InvalidInput("schema", f"{text}, as the stream began")
    labels = _each(found["labels"], "label", count, parse_label)
    tasks, ids = (_names(found.get(f"{name}s"), name, count) for name in ("task", "id"))
    return Rows(inputs, labels, tasks, ids)


def _check_keys(found: Mapping[Any, Any]) -> None:
    unknown = [key for key in found if key not in (*NEEDED, *OPTIONAL)]
    missing = [name for name in NEEDED if name not in found]
    if unknown or missing:
        wrong = f"unknown key {shown(unknown[0])}" if unknown else f'"{missing[0]}" is missing'
        expected = ", ".join((*NEEDED, *(f"{name}?" for name in OPTIONAL)))
        raise InvalidInput("msgpack", f"{wrong}; expected {expected}")


def _shape(value: object, *, most: int) -> tuple[int, tuple[int, ...]]:
    if type(value) is not list or not 2 <= len(value) <= 4 or type(value[0]) is not int:
        expected = "the number of inputs and the shape of one, such as [500, 64]"
        raise InvalidInput("shape", f"shape is {shown(value)}; expected {expected}")
    if not 1 <= value[0] <= most:
        text = f"{value[0]} examples; expected 1 to {most} (serving.max_batch)"
        raise InvalidInput("empty" if value[0] == 0 else "too_large", text)
    return value[0], read_shape(value[1:])


def _inputs(data: object, shape: tuple[int, ...], dtype: object, *, limits: Limits) -> Array:
    if type(data) is not bytes:
        raise InvalidInput("value", f"inputs are a {type(data).__name__}; expected bytes")
    kind = read_dtype(dtype)
    if (claimed := prod(shape) * kind.itemsize) != len(data):
        text = f"{len(data)} bytes of inputs; shape {list(shape)} of {kind.name} takes {claimed}"
        raise InvalidInput("shape", text)
    if len(data) > shape[0] * limits.message_bytes:
        text = f"an input has {len(data) // shape[0]} bytes; expected at most {limits.message_bytes}"
        raise InvalidInput("too_large", text)
    array = np.frombuffer(data, kind).reshape(shape)
    try:
        return _checked(array, limits)
    except InvalidInput:
        for index, one in enumerate(array):  # only now: all at once are a hundred times as fast
            _at(f"inputs[{index}]", partial(read_array, limits=limits), one)
        raise


def _checked(array: Array, limits: Limits) -> Array:
    """As they are sent on: vectors as float32, images as uint8, channels last."""
    if array.ndim == 2:
        return as_vector(array.reshape(-1), missing=limits.missing).reshape(array.shape)
    if array.dtype == np.uint8:
        return array
    if not (float(array.min()) >= 0.0 and float(array.max()) <= 1.0):  # so written, NaN is refused too
        raise InvalidInput("value", "float images hold numbers beyond 0..1")
    return np.rint(array * 255.0).astype(np.uint8)


def _each(values: object, name: str, count: int, read: Callable[[object], T]) -> tuple[T, ...]:
    """Each value of the list of `name`s."""
    if type(values) is not list or len(values) != count:
        found = f"a list of {len(values)}" if type(values) is list else f"a {type(values).__name__}"
        raise InvalidInput(name, f"{name}s are {found}; expected a list of {count}")
    return tuple(_at(f"{name}s[{index}]", read, value) for index, value in enumerate(values))


def _names(values: object, name: str, count: int) -> tuple[str | None, ...]:
    if values is None:
        return (None,) * count
    return _each(values, name, count, lambda value: None if value is None else parse_text(value, name))


def _at(place: str, read: Callable[[Any], T], value: object) -> T:
    """What `read` makes of the value; its error says where that stood."""
    try:
        return read(value)
    except InvalidInput as error:
        raise InvalidInput(error.reason, f"{place}: {error}; nothing was accepted") from None
