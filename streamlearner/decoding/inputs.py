"""Inputs: one value as the outside world writes it, to one array as the learner takes it.

Outside, an image is HxW or HxWxC; inside it is [C, H, W] uint8. A feature vector is a row of numbers;
inside it is [d] float32. The number of dimensions decides: one is a vector, two or three are an image.

- Integer images hold 0..255. Float images hold 0..1 and are scaled to 0..255 with rounding (off by 1/510 at
  most). Anything outside is refused, not clipped. A list with no decimal point in it is an integer image.
- HxW and HxWx1 are the same image.
- Float64 is narrowed to float32; infinity, what float32 cannot hold and NaN are refused, but what
  `Limits.missing` calls missing.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamlearner.decoding.labels import shown
from streamlearner.decoding.number_lists import from_list
from streamlearner.decoding.shapes import written
from streamlearner.decoding.vectors import as_vector
from streamlearner.errors import ConfigError, InvalidInput

if TYPE_CHECKING:
    from streamlearner.decoding.images import Pixels

Array = NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "uint8": np.dtype("u1"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
"""The dtypes on the wire, little-endian. numpy's spellings ("|u1", "<f4") are understood too."""
DTYPES |= {dtype.str: dtype for dtype in list(DTYPES.values())}


@dataclass(frozen=True, slots=True)
class Schema:
    """What every input of a stream is: `(C, H, W)` and "uint8", or `(d,)` and "float32"."""

    shape: tuple[int, ...]
    dtype: str

    def __post_init__(self) -> None:
        expected = {"uint8": 3, "float32": 1}.get(self.dtype)
        if len(self.shape) != expected or any(type(side) is not int or side < 1 for side in self.shape):
            raise ConfigError(
                f"schema is {list(self.shape)} {self.dtype}; expected [C, H, W] uint8 or [d] float32, "
                "such as [1, 28, 28] uint8"
            )

    def __str__(self) -> str:
        return f"{written(self.shape)} {self.dtype}"

    def state(self) -> dict[str, Any]:
        """JSON-serialisable; `Schema.restore` takes it back."""
        return {"shape": list(self.shape), "dtype": self.dtype}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Schema:
        """The schema that `state()` described."""
        return cls(shape=tuple(state["shape"]), dtype=state["dtype"])


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message may claim. Checked arithmetically, before memory is asked for."""

    message_bytes: int = 16 * 2**20
    """A message longer than this is refused unread (Kafka's own default is 1 MiB)."""
    pixels: int = 2**24
    """Height x width of an encoded image: 16.8 million, a 4096 x 4096 picture, 50 MB once decoded."""
    missing: frozenset[float] | None = None
    """Values of feature vectors that stand for a missing number: they become NaN, and NaN and null are not
    refused. None: nothing may be missing."""
    channels: int = 4
    """Of a raw or listed image; more usually means channel-first data where channel-last is expected."""


DEFAULT_LIMITS = Limits()


def read_input(
    value: object, *, limits: Limits = DEFAULT_LIMITS, image: Callable[[bytes], Pixels] | None = None
) -> Array:
    """One input in any of its written forms: [C, H, W] uint8 or [d] float32.

    `value` is a nested list of numbers, `{"b64": text, "shape", "dtype"}`, the same with
    `"data": bytes`, or `{"image": base64 text or bytes}`; no "dtype" is uint8. `image` decodes
    encoded images; None: `decode_image`. Raises `InvalidInput`.
    """
    if type(value) is list:
        return _layout(from_list(value, may_miss=limits.missing is not None), limits)
    if not isinstance(value, Mapping):
        raise InvalidInput(
            "value", f"input is {shown(value)}; expected a nested list, or a map with b64, data or image"
        )
    forms = [form for form in ("b64", "data", "image") if form in value]
    if len(forms) != 1:
        raise InvalidInput(
            "value", f"input is a map with {short_repr(list(value))}; expected one of b64, data or image"
        )
    data = bytes_of(value[forms[0]], name=forms[0])
    if forms[0] == "image":
        return image(data) if image else _decode_image(data, limits)
    return read_raw(
        data, shape=read_shape(value.get("shape")), dtype=read_dtype(value.get("dtype")), limits=limits
    )


def _decode_image(data: bytes, limits: Limits) -> Pixels:
    from streamlearner.decoding.images import decode_image  # and with it Pillow, which vectors do without

    return decode_image(data, max_pixels=limits.pixels)


def read_raw(
    data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any], limits: Limits = DEFAULT_LIMITS
) -> Array:
    """Row-major bytes of `shape` (d, HxW or HxWxC): [C, H, W] uint8 or [d] float32. Raises `InvalidInput`.

    A uint8 image is a view of `data`, not a copy.
    """
    claimed = prod(shape) * dtype.itemsize
    if claimed != len(data):
        text = f"{len(data)} bytes of data; shape {list(shape)} of {dtype.name} takes {claimed}"
        raise InvalidInput("shape", text)
    return _layout(np.frombuffer(data, dtype).reshape(shape), limits)


def read_array(array: Array, *, limits: Limits = DEFAULT_LIMITS) -> Array:
    """An array d, HxW or HxWxC of any integer or float dtype: [C, H, W] uint8 or [d] float32. Raises
    `InvalidInput`."""
    if array.dtype.kind not in "uif":
        raise InvalidInput("dtype", f"input is an array of {array.dtype}; expected integers or floats")
    if not 1 <= array.ndim <= 3 or not array.size:
        raise InvalidInput("shape", f"input has shape {list(array.shape)}; expected d, HxW or HxWxC")
    if array.dtype.kind in "ui" and array.dtype != np.uint8 and array.ndim > 1:
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > 255:
            raise InvalidInput("value", f"integer image holds {low} to {high}; expected 0..255")
        array = array.astype(np.uint8)
    return _layout(array, limits)


def read_shape(value: object) -> tuple[int, ...]:
    """A shape from a list of integers or a text: "28,28,1", "28x28x1", "[28, 28]". Raises `InvalidInput`."""
    sides: list[object] = []
    if type(value) is list:
        sides = value
    elif type(value) is str and len(value) <= 64:
        texts = value.strip().strip("[]()").replace("x", ",").rstrip(", ").split(",")
        sides = [int(text) if text.strip().isdecimal() and text.isascii() else text for text in texts]
    if not 1 <= len(sides) <= 3 or not all(type(side) is int and 1 <= side < 2**31 for side in sides):
        raise InvalidInput(
            "shape", f"shape is {shown(value)}; expected one to three positive integers, such as 28,28,1"
        )
    return tuple(side for side in sides if type(side) is int)


def read_dtype(value: object) -> np.dtype[Any]:
    """A dtype from its name; None is uint8. Raises `InvalidInput`."""
    dtype = DTYPES.get(value) if type(value) is str else DTYPES["uint8"] if value is None else None
    if dtype is None:
        raise InvalidInput(
            "dtype", f"dtype is {shown(value)}; expected uint8, float32 or float64 (little-endian)"
        )
    return dtype


def bytes_of(value: object, *, name: str) -> bytes:
    """Bytes, or what a text is in base64. Raises `InvalidInput`, which calls it `name`."""
    if type(value) is bytes:
        return value
    if type(value) is not str:
        raise InvalidInput("value", f"{name} is a {type(value).__name__}; expected base64 text")
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise InvalidInput("value", f"{name} is not base64 ({error})") from None


def _layout(array: Array, limits: Limits) -> Array:
    """Channel first; uint8 for images, float32 for vectors."""
    if array.ndim == 1:
        return as_vector(array, missing=limits.missing)
    if array.ndim == 3 and array.shape[2] > limits.channels:
        text = f"image has shape {list(array.shape)}; expected HxWxC, channels last, C <= {limits.channels}"
        raise InvalidInput("shape", text)
    if array.dtype != np.uint8:
        array = _scale(array)
    return array[np.newaxis] if array.ndim == 2 else array.transpose(2, 0, 1)


def _scale(array: Array) -> Array:
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):  # so written, NaN is refused too
        text = f"float image holds {low:.6g} to {high:.6g}; expected 0..1 as floats, or 0..255 as integers"
        raise InvalidInput("value", text)
    return np.rint(array * 255.0).astype(np.uint8)


def wire_input(array: Array) -> dict[str, Any]:
    """One input as an HTTP body takes it: `array` [C, H, W] uint8 or [d] float32 to base64 with shape and
    dtype."""
    shown = np.ascontiguousarray(array.transpose(1, 2, 0) if array.ndim == 3 else array)
    data = binascii.b2a_base64(shown.tobytes(), newline=False).decode()
    return {"b64": data, "shape": list(shown.shape), "dtype": shown.dtype.name}
