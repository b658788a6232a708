"""What a request may hold, said as narrowly as it is enforced, also where that depends on the stream."""

from __future__ import annotations

import base64
import io
from math import prod
from typing import Any

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.inputs import Schema
from streamlearner.decoding.labels import MAX_FACTORS, MAX_TEXT_CHARACTERS
from streamlearner.decoding.shapes import written

JsonSchema = dict[str, Any]

MOST_LISTED = 4096
"""Numbers of an input that are described one by one; a larger one is only said to be nested lists."""
NEVER: JsonSchema = {"not": {}}
"""Nothing fits it. Generators of clients stumble over the `false` that says the same."""
MOST_SHOWN = 64
"""Numbers of an input that an example lists."""
_NO_CONTROLS = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*"
_NOT_TOO_LARGE_A_NUMBER = r"(?!-?[1-9][0-9]{18,}$)"
TEXT: JsonSchema = {
    "type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARACTERS, "pattern": f"^{_NO_CONTROLS}$",
}  # fmt: skip
INTEGER: JsonSchema = {"type": "integer", "format": "int64", "not": {"const": -(2**63)}}
"""Bounds near 2**63 would be read as doubles by many, and come out as others."""
CLASS: JsonSchema = {"anyOf": [TEXT | {"pattern": f"^{_NOT_TOO_LARGE_A_NUMBER}{_NO_CONTROLS}$"}, INTEGER]}
_NAME: JsonSchema = {"anyOf": [TEXT, INTEGER, {"type": "null"}]}
_LABEL: JsonSchema = {
    "anyOf": [
        *CLASS["anyOf"],
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_FACTORS,
            "propertyNames": TEXT,
            "additionalProperties": CLASS,
        },
    ]
}
_PICTURE: JsonSchema = {
    "type": "object",
    "properties": {
        "image": {
            "type": "string",
            "format": "picture",
            "contentEncoding": "base64",
            "description": "PNG, JPEG, WebP or TIFF",
        },
        "b64": NEVER,
        "data": NEVER,
    },
    "required": ["image"],
}

MARK = "x-holds"
"""Of a schema that depends on the stream: which of `StreamSchemas` fills it in; or the named one that stands
there."""
INPUT: JsonSchema = {MARK: "Input"}
AN_INPUT: JsonSchema = {MARK: "an input"}
PICTURE: JsonSchema = {"$ref": "#/components/schemas/Picture"}
LABEL: JsonSchema = {MARK: "Label"}
NAME: JsonSchema = {MARK: "Name"}
SHARED: dict[str, JsonSchema] = {
    "Input": {MARK: "input"}, "Picture": _PICTURE, "Label": _LABEL, "Name": _NAME,
}  # fmt: skip
"""Schemas that several bodies share, by name."""
INPUTS: JsonSchema = {"type": "array", "minItems": 1, "items": INPUT, MARK: "batch"}
RAW_INPUT: JsonSchema = {"type": "string", "format": "binary", MARK: "raw"}


ROWS: JsonSchema = {
    "type": "string",
    "format": "binary",
    "description": "MessagePack of a map: `inputs`, the bytes of all inputs in row-major order; `shape`, "
    "their number and the shape of one, such as [500, 64]; `dtype`: uint8 (or none), float32 or float64, "
    "little-endian; `labels`, a list of one for each; `tasks` and `ids`, lists of as many with nil for none, "
    "or neither",
}
"""Many examples of one shape in one body."""


class StreamSchemas:
    """Fills in what depends on this daemon: the shape of its inputs, and how many a request may hold."""

    def __init__(self, *, codec: Codec, max_batch: int) -> None:
        self._codec = codec
        self._max_batch = max_batch

    @property
    def schema(self) -> Schema | None:
        """Of the stream; None until it has begun."""
        return self._codec.schema

    def filled_in(self, part: Any, schema: Schema | None) -> Any:
        """A copy of any part of a description, every mark in it replaced."""
        if isinstance(part, list):
            return [self.filled_in(each, schema) for each in part]
        if not isinstance(part, dict):
            return part
        plain = {key: self.filled_in(value, schema) for key, value in part.items() if key != MARK}
        match part.get(MARK):
            case str(name) if name[:1].isupper():
                return plain | {"$ref": f"#/components/schemas/{name}"}
            case "an input":
                return example_input(schema)
            case "input":
                return plain | input_schema(schema)
            case "batch":
                return plain | {"maxItems": self._max_batch}
            case "raw" if schema is not None:
                count = prod(schema.shape) * (1 if schema.dtype == "uint8" else 4)
                return plain | {"minLength": count, "maxLength": count}
        return plain


def input_schema(schema: Schema | None) -> JsonSchema:
    """One input of a body: a nested list, base64, or, of images, a file; while the stream has not begun, of
    any shape."""
    if schema is None:
        nested: JsonSchema = {"type": "array", "minItems": 1, "items": {}}
        return {"anyOf": [nested, _raw({"type": "string"}, None, None), PICTURE]}
    if schema.dtype == "uint8":
        shape = written(schema.shape)
        raw = _raw(_base64(prod(shape)), shape, "uint8")
        integers = _nested(shape, {"enum": list(range(256))})  # 7.0 is an integer to JSON Schema
        shares = _nested(shape, {"type": "number", "minimum": 0, "maximum": 1})
        return {"anyOf": [integers, shares, raw, PICTURE]}
    (count,) = schema.shape
    number = {"type": "number", "minimum": -3.4e38, "maximum": 3.4e38}
    return {"anyOf": [_nested([count], number), _raw(_base64(4 * count), [count], "float32")]}


def example_input(schema: Schema | None) -> Any:
    """One input that is all zeros, as the stream takes it; of images that are not small, a picture."""
    if schema is None:
        return [[0, 128], [255, 64]]
    shape = written(schema.shape)
    if schema.dtype == "uint8" and prod(shape) > MOST_SHOWN:
        return {"image": blank_picture(shape)}
    if prod(shape) > MOST_SHOWN:
        data = base64.b64encode(bytes(4 * prod(shape))).decode()
        return {"b64": data, "shape": shape, "dtype": "float32"}
    zeros: Any = 0 if schema.dtype == "uint8" else 0.0
    for side in reversed(shape):
        zeros = [zeros] * side
    return zeros


def blank_picture(shape: list[int]) -> str:
    """A black PNG of this shape, in base64."""
    from PIL import Image

    modes = {2: "L", 3: {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}.get(shape[-1], "RGB")}
    stream = io.BytesIO()
    Image.new(modes[len(shape)], (shape[1], shape[0])).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def _nested(shape: list[int], number: JsonSchema) -> JsonSchema:
    if prod(shape) > MOST_LISTED:
        return {
            "type": "array",
            "minItems": shape[0],
            "maxItems": shape[0],
            "description": f"nested: {shape}",
        }
    for side in reversed(shape):
        number = {"type": "array", "items": number, "minItems": side, "maxItems": side}
    return number


def _raw(text: JsonSchema, shape: list[int] | None, dtype: str | None) -> JsonSchema:
    sides: JsonSchema = {"type": "array", "items": {"type": "integer", "minimum": 1}}
    if shape is not None:
        sides = {"anyOf": [_exactly(shape), *([_exactly([*shape, 1])] if len(shape) == 2 else [])]}
    dtypes: list[str | None] = [dtype] if dtype else ["uint8", "float32", "float64"]
    return {
        "type": "object",
        "properties": {
            "b64": text | {"contentEncoding": "base64"},
            "shape": sides,
            "dtype": {"enum": [*dtypes, *([None] if "uint8" in dtypes else [])]},
            "image": NEVER,
            "data": NEVER,
        },
        "required": ["b64", "shape", *([] if "uint8" in dtypes else ["dtype"])],
    }


def _exactly(shape: list[int]) -> JsonSchema:
    """Not an enum of lists, which generators of clients do not read."""
    count = len(shape)
    sides = [{"const": side} for side in shape]
    return {"type": "array", "prefixItems": sides, "minItems": count, "maxItems": count}


def _base64(size_bytes: int) -> JsonSchema:
    """Of exactly so many bytes."""
    whole, rest = divmod(size_bytes, 3)
    letter = "[A-Za-z0-9+/]"
    end = {0: "", 1: f"{letter}[AQgw]==", 2: f"{letter}{{2}}[AEIMQUYcgkosw048]="}[rest]
    pattern = f"^{letter}{{{4 * whole}}}{end}$"
    return {"type": "string", "pattern": pattern, "maxLength": 4 * (whole + bool(rest))}
