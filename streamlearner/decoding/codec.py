"""The codec: messages from a stream, or bodies from HTTP, to validated examples.

Four wire formats, distinguished by the header `content-type` (its CloudEvents forms included):

- application/octet-stream, or none: raw bytes with headers `shape` and `dtype`. The default: 1 us a message.
- image/png, image/jpeg, image/webp: the rules are in `images`.
- application/json: `{"input": ..., "label": ..., "task"?, "id"?}`; the forms of an input are in `inputs`.
- application/msgpack (also x-msgpack, vnd.msgpack): the same map, with `{"data": bytes}` in place of base64.

Label, task and id come from the body, or where it has none (or null), from the headers `label`, `task`, `id`.
Every header may also be written `ce_label` and so on (CloudEvents binary mode); one given twice must agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from reprlib import repr as short_repr
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from streamlearner.decoding.batch import Batch
from streamlearner.decoding.headers import (
    Form,
    header_id,
    header_name,
    header_text,
    is_tombstone,
    parse_json,
    parse_msgpack,
    read_form,
    read_headers,
)
from streamlearner.decoding.headers import encode_raw as encode_raw
from streamlearner.decoding.images import decode_image
from streamlearner.decoding.inputs import DEFAULT_LIMITS, Array, Limits, read_array, read_input, read_raw
from streamlearner.decoding.inputs import Schema as Schema
from streamlearner.decoding.labels import parse_label, parse_text, shown
from streamlearner.errors import InvalidInput
from streamlearner.stream import Factors, Label, Message, Reject

REASONS = (
    "empty",  # no bytes, or no inputs
    "too_large",  # more bytes than Limits.message_bytes
    "headers",  # missing, contradictory or unreadable headers
    "content_type",  # a format that is not spoken here
    "json",  # not JSON, or not a map with an input
    "msgpack",  # not MessagePack, or not a map with an input
    "image",  # not a readable still PNG, JPEG or WebP of 8 bits
    "pixels",  # more pixels than Limits.pixels
    "shape",  # not d, HxW or HxWxC; ragged; other than the bytes that follow
    "dtype",  # not uint8, float32 or float64
    "value",  # NaN, infinity, out of range, not numbers
    "label",
    "task",
    "id",
    "schema",  # well formed, but of another shape or dtype than this stream's
    "classes",  # one class more than limits.max_classes; found by the intake, which knows the classes so far
    "learning_failed",  # learning it failed again and again; found by the daemon
)
"""Every reason a Reject or InvalidInput can carry (a metric label: keep it small)."""

_CACHE_ENTRIES = 4096


class Example(NamedTuple):
    """One decoded example: [C, H, W] uint8 or [d] float32, and what it is called."""

    input: Tensor
    label: Label | Factors
    task: str | None
    id: str | None


_Read: TypeAlias = tuple[Array, Label | Factors, str | None, str | None]


class Codec:
    """Decodes messages and HTTP bodies against one schema.

    `schema` is given, or None until the first good example of `decode` fixes it; then an example of another
    shape or dtype is a Reject, never reshaped. Assign it to restore a checkpoint.
    `decode` never raises for bad content and belongs to the learning thread. The `decode_*` for HTTP raise
    `InvalidInput`, never change the schema, and any thread may call them.
    """

    def __init__(self, *, schema: Schema | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self.schema = schema
        self.limits = limits
        self._forms: dict[tuple[bytes | None, bytes | None, bytes | None], Form] = {}
        self._labels: dict[bytes, Label | Factors] = {}

    def decode(self, messages: Sequence[Message]) -> tuple[Batch, list[Reject]]:
        """The good examples and the rejects of `messages`, each in the order of the stream.

        A tombstone (`headers.is_tombstone`) is in neither: it says something about a key, and nothing that
        could be learned or mended. With no good example the batch has 0 rows:
        [0, *schema.shape], or [0, 0] float32 while there is no schema.
        """
        arrays: list[Array] = []
        labels: list[Label | Factors] = []
        tasks: list[str | None] = []
        ids: list[str | None] = []
        kept: list[Message] = []
        rejects: list[Reject] = []
        for message in messages:
            if message.value is None and is_tombstone(message):
                continue
            try:
                array, label, task, identity = self._read(message.value, message.headers)
                self._check(array)
            except InvalidInput as error:
                rejects.append(Reject(message, error.reason, str(error)))
                continue
            if self.schema is None:
                self.schema = Schema(shape=array.shape, dtype=array.dtype.name)
            arrays.append(array)
            labels.append(label)
            tasks.append(task)
            ids.append(identity)
            kept.append(message)
        return Batch(self._stack(arrays), tuple(labels), tuple(tasks), tuple(ids), tuple(kept)), rejects

    def decode_input(self, value: object) -> Tensor:
        """One input of an HTTP body, in any form of `inputs.read_input`. Raises `InvalidInput`."""
        array = read_input(value, limits=self.limits, size=self._image_size)
        self._check(array)
        return torch.from_numpy(np.array(array, order="C"))

    def decode_inputs(self, values: Sequence[object]) -> Tensor:
        """Inputs of an HTTP body: [n, C, H, W] uint8 or [n, d] float32, all of one shape. Each in a form of
        `inputs.read_input`, or an array for `inputs.read_array`.

        Raises `InvalidInput`; its text names the index of the first bad one.
        """
        if not values:
            raise InvalidInput("empty", "inputs is empty; expected at least one input")
        arrays: list[Array] = []
        for index, value in enumerate(values):
            try:
                array = self._read_input(value)
                self._check(array)
            except InvalidInput as error:
                raise InvalidInput(error.reason, f"inputs[{index}]: {error}") from None
            if arrays and array.shape != arrays[0].shape:
                expected = f"{_describe(arrays[0])}, as inputs[0] is"
                raise InvalidInput("schema", f"inputs[{index}] is {_describe(array)}; expected {expected}")
            arrays.append(array)
        return self._stack(arrays)

    def decode_image(self, data: bytes) -> Tensor:
        """An HTTP body that is a PNG, JPEG or WebP file: [C, H, W] uint8. Raises `InvalidInput`."""
        return self.decode_input({"image": data})

    def decode_example(self, body: object) -> Example:
        """One labelled example of an HTTP body: `{"input", "label", "task"?, "id"?}`, as in a JSON message.

        Raises `InvalidInput`.
        """
        array, label, task, identity = self._read_map(body, "json", {})
        self._check(array)
        return Example(torch.from_numpy(np.array(array, order="C")), label, task, identity)

    def _read(self, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> _Read:
        if not value:
            found_value = "is null" if value is None else "has no bytes"
            raise InvalidInput("empty", f"value {found_value}; expected an example")
        if len(value) > self.limits.message_bytes:
            text = f"value has {len(value)} bytes; expected at most {self.limits.message_bytes}"
            raise InvalidInput("too_large", text)
        found = read_headers(headers)
        form = self._form(found)
        if form.media == "raw":
            array = read_raw(value, shape=form.shape, dtype=form.dtype, limits=self.limits)
        elif form.media == "image":
            array = decode_image(value, max_pixels=self.limits.pixels, size=self._image_size)
        elif form.media == "json":
            return self._read_map(parse_json(value), "json", found)
        else:
            return self._read_map(parse_msgpack(value), "msgpack", found)
        return array, self._header_label(found), header_name(found, "task"), header_id(found)

    def _read_map(self, body: object, reason: str, headers: Mapping[str, bytes]) -> _Read:
        if not isinstance(body, Mapping) or "input" not in body:
            found = f"a map of {short_repr(list(body))}" if isinstance(body, Mapping) else shown(body)
            raise InvalidInput(reason, f"example is {found}; expected a map with input and label")
        label = self._header_label(headers) if body.get("label") is None else parse_label(body["label"])
        task = header_name(headers, "task") if body.get("task") is None else parse_text(body["task"], "task")
        identity = header_id(headers) if body.get("id") is None else parse_text(body["id"], "id")
        array = read_input(body["input"], limits=self.limits, size=self._image_size)
        return array, label, task, identity

    def _read_input(self, value: object) -> Array:
        if isinstance(value, np.ndarray):
            return read_array(value, limits=self.limits)
        return read_input(value, limits=self.limits, size=self._image_size)

    def _form(self, headers: Mapping[str, bytes]) -> Form:
        """Parsed once for each distinct trio: a stream repeats it for ever."""
        key = headers.get("content-type"), headers.get("shape"), headers.get("dtype")
        form = self._forms.get(key)
        if form is None:
            form = read_form(*key)
            if len(self._forms) < _CACHE_ENTRIES:
                self._forms[key] = form
        return form

    def _header_label(self, headers: Mapping[str, bytes]) -> Label | Factors:
        raw = headers.get("label")
        if raw is None:
            raise InvalidInput(
                "label", "no label in body or header; expected a string, an integer, or a mapping of factors"
            )
        label = self._labels.get(raw)
        if label is None:
            label = parse_label(header_text(raw, "label"))
            if len(self._labels) < _CACHE_ENTRIES:
                self._labels[raw] = label
        return label

    @property
    def _image_size(self) -> tuple[int, int] | None:
        """The (H, W) that the schema demands of an image, to refuse others before they are decoded."""
        schema = self.schema
        return None if schema is None or len(schema.shape) != 3 else (schema.shape[1], schema.shape[2])

    def _check(self, array: Array) -> None:
        """The number of dimensions implies the dtype (see `inputs`), so comparing shapes is enough."""
        schema = self.schema
        if schema is not None and array.shape != schema.shape:
            raise InvalidInput(
                "schema", f"input is {_describe(array)}; expected {schema}, as the stream began"
            )

    def _stack(self, arrays: Sequence[Array]) -> Tensor:
        if not arrays:
            schema = self.schema
            return (
                torch.from_numpy(np.empty((0, *schema.shape), schema.dtype)) if schema else torch.empty(0, 0)
            )
        stacked = np.empty((len(arrays), *arrays[0].shape), arrays[0].dtype)
        for place, array in enumerate(arrays):  # np.stack would keep the strides of a channel-last input
            stacked[place] = array
        return torch.from_numpy(stacked)


def _describe(array: Array) -> str:
    return f"{list(array.shape)} {array.dtype.name}"
