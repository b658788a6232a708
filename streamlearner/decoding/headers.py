"""The wire: the headers a message may carry, and the default format that producers write.

A header may be written plainly (`label`) or as a CloudEvents binary-mode attribute (`ce_label`). Names are
not case-sensitive, and unknown ones are left alone.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import msgpack
import numpy as np
from pydantic_core import from_json

from streamlearner.decoding.inputs import DTYPES, Array, Limits, read_dtype, read_raw, read_shape
from streamlearner.decoding.labels import label_text, parse_label, parse_text
from streamlearner.errors import InvalidInput
from streamlearner.stream import Message

Headers = tuple[tuple[str, bytes], ...]
Media = Literal["raw", "image", "json", "msgpack", "event"]

_MEDIA: dict[str, Media] = {
    "application/octet-stream": "raw",
    "image/png": "image",
    "image/jpeg": "image",
    "image/webp": "image",
    "image/tiff": "image",
    "application/json": "json",
    "application/msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "application/vnd.msgpack": "msgpack",
    "application/cloudevents+json": "event",
}
ATTRIBUTES = {"content-type": "content-type", "ce_datacontenttype": "content-type"}
ATTRIBUTES |= {"ce_source": "ce_source", "__value_schema_id": "__value_schema_id"} | {
    prefix + name: name
    for name in ("shape", "dtype", "label", "task", "id", "erase")
    for prefix in ("", "ce_")
}
"""The names of headers that count, in lower case, and the plain name of each."""
_MSGPACK_LIST_ITEMS = 2**16
"""The longest list that MessagePack may hold: a bound on what its parser reserves. Longer ones: as bytes."""


@dataclass(frozen=True, slots=True)
class Form:
    """How the value of a message is to be read. `shape` and `dtype` count for raw bytes only."""

    media: Media
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] = DTYPES["uint8"]


def read_headers(headers: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    """The headers that count, by their plain name. Raises `InvalidInput("headers")` where two disagree."""
    found: dict[str, bytes] = {}
    for name, value in headers:
        attribute = ATTRIBUTES.get(name) or ATTRIBUTES.get(name.lower())
        if attribute is None:
            continue
        value = value or b""  # Kafka allows a header without a value
        if found.setdefault(attribute, value) != value:
            both = f"{found[attribute][:40]!r} and {value[:40]!r}"
            raise InvalidInput("headers", f"header {attribute} is given twice, as {both}; expected one value")
    if "ce_source" in found and not any(name.lower() == "ce_id" for name, _ in headers):
        del found["ce_source"]  # a plain id is the example's own, whatever event brings it
    return found


def is_tombstone(message: Message) -> bool:
    """Whether a message says that a key is gone, and nothing that could be learned: it has no value, and does
    not claim to be an example, or an erasure. With a label, or with headers of an example and no key, the
    value is missing."""
    if message.value is not None:
        return False
    given = {ATTRIBUTES.get(name.lower()) for name, _ in message.headers} - {None}
    return not given & {"label", "erase"} and (message.key is not None or not given)


def is_gone(message: Message) -> bool:
    """Whether it is all that is left of a message that was erased before it was read."""
    return not message.value and any(name == "erase" and value == b"gone" for name, value in message.headers)


def header_name(headers: Mapping[str, bytes], name: str) -> str | None:
    """The text of the header `name`, which names something. Raises `InvalidInput(name)`."""
    raw = headers.get(name)
    return None if raw is None else parse_text(header_text(raw, name), name)


def header_id(headers: Mapping[str, bytes]) -> str | None:
    """What the headers call the example, by which it is known again. Raises `InvalidInput`.

    Of a CloudEvent source and id together: the id alone is unique only within its source. The source comes
    first and a line feed, which no id holds, parts them.
    """
    name, source = header_name(headers, "id"), headers.get("ce_source")
    return name if name is None or source is None else f"{str(source, 'utf-8', 'backslashreplace')}\n{name}"


def read_form(content_type: bytes | None, shape: bytes | None, dtype: bytes | None) -> Form:
    """The form that three headers describe; no content-type is raw, no dtype uint8. Raises `InvalidInput`."""
    name = (
        header_text(content_type or b"application/octet-stream", "content_type")
        .partition(";")[0]
        .strip()
        .lower()
    )
    media = _MEDIA.get(name)
    if media is None:
        raise InvalidInput(
            "content_type", f"content-type is {name[:80]!r}; expected one of {', '.join(_MEDIA)}"
        )
    if media != "raw":
        return Form(media)
    if shape is None:
        expected = "one such as 28,28,1 with raw bytes, or a content-type such as application/json"
        raise InvalidInput("headers", f"no shape header; expected {expected}")
    spelled = None if dtype is None else header_text(dtype, "dtype")
    return Form(media, read_shape(header_text(shape, "shape")), read_dtype(spelled))


def header_text(value: bytes, reason: str) -> str:
    """The UTF-8 text of a header. Raises `InvalidInput(reason)`."""
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(reason, f"header {reason} is {value[:40]!r}; expected UTF-8 text") from None


def parse_json(value: bytes) -> object:
    """UTF-8 JSON without NaN and Infinity, which are not standard. Raises `InvalidInput("json")`."""
    try:
        return from_json(value, allow_inf_nan=False)  # four times as fast as what follows
    except ValueError:
        pass  # it may be JSON all the same: deep lists, half of a surrogate pair, the mark of Windows
    try:
        return _JSON.decode(str(value.removeprefix(BOM_UTF8), "utf-8"))
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidInput(
            "json", f"value is not JSON ({type(error).__name__}: {str(error)[:120]})"
        ) from None


def parse_msgpack(value: bytes) -> object:
    """MessagePack without extension types. Raises `InvalidInput("msgpack")`."""
    items = min(len(value), _MSGPACK_LIST_ITEMS)
    try:
        return msgpack.unpackb(value, max_array_len=items, max_map_len=items, ext_hook=_refuse_extension)
    except (
        Exception
    ) as error:  # no closed set is documented: its own, ValueError, TypeError, UnicodeDecodeError
        text = f"value is not MessagePack ({type(error).__name__}: {str(error)[:120]})"
        raise InvalidInput("msgpack", text) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is none; a missing number is null")


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise ValueError(f"extension type {code} with {len(data)} bytes")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def encode_raw(
    array: Array, *, label: object, id: object = None, task: object = None, missing: bool = False
) -> tuple[bytes, Headers]:
    """One example in the default wire format: (value, headers), for a producer.

    `array` is d, HxW or HxWxC (channels last), uint8, float32 or float64. Raises `InvalidInput` for what
    the codec would refuse, so that a mistake shows at the producer and not in the dead letters. With
    `missing` NaN in a vector stands for a missing number, as where the daemon has `codec.missing_values`.
    """
    dtype = read_dtype(array.dtype.newbyteorder("<").str)
    shape = read_shape(list(array.shape))
    value = np.ascontiguousarray(array, dtype).tobytes()
    read_raw(value, shape=shape, dtype=dtype, limits=Limits(missing=frozenset() if missing else None))
    headers = [
        ("content-type", b"application/octet-stream"),
        ("shape", ",".join(map(str, shape)).encode()),
        ("dtype", dtype.name.encode()),
        ("label", label_text(parse_label(label)).encode()),
    ]
    headers += [
        (name, parse_text(text, name).encode())
        for name, text in (("id", id), ("task", task))
        if text is not None
    ]
    return value, tuple(headers)
