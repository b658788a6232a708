"""One message, or one body, to an input with its label, task and id, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from reprlib import repr as short_repr
from typing import Any, Protocol, TypeAlias

import numpy as np

from streamlearner.decoding.cloud_events import is_event, open_event
from streamlearner.decoding.fields import Fields
from streamlearner.decoding.headers import (
    Form,
    header_id,
    header_name,
    header_text,
    parse_json,
    parse_msgpack,
    read_form,
    read_headers,
)
from streamlearner.decoding.images import Pixels, decode_image
from streamlearner.decoding.inputs import Array, Limits, Schema, read_array, read_input, read_raw
from streamlearner.decoding.labels import parse_label, parse_text, shown
from streamlearner.decoding.schema_registry.framing import Frame, SchemaId, read_frame
from streamlearner.errors import InvalidInput
from streamlearner.stream import Factors, Label, Message

_CACHE_ENTRIES = 4096

Read: TypeAlias = tuple[Array, Label | Factors, str | None, str | None]
"""An input, its label, task and id."""


class Registry(Protocol):
    """Reads records by their schemas (`schema_registry.records.RegistryRecords` is one)."""

    @property
    def connected(self) -> bool: ...

    def ready(self, schemas: Iterable[SchemaId], *, timeout_s: float) -> bool: ...

    def read(self, frame: Frame) -> Mapping[str, Any]: ...


class ExampleReader:
    """Reads what is well formed; whether it fits the stream's schema the codec sees.

    `orient`: the EXIF orientation of images is applied. `fields`: those of the records on the stream.
    `registry`: has the schemas of framed ones. Any thread may call it, but what reads the stream for the
    learning thread alone; every method raises `InvalidInput`.
    """

    def __init__(
        self, *, limits: Limits, orient: bool, fields: Fields | None, registry: Registry | None = None
    ) -> None:
        self.limits = limits
        self._orient = orient
        self._fields = fields
        self._registry = registry
        self._forms: dict[tuple[bytes | None, bytes | None, bytes | None], Form] = {}
        self._labels: dict[bytes, Label | Factors] = {}

    @property
    def connected(self) -> bool:
        """Whether all that is needed to read messages answers."""
        return self._registry is None or self._registry.connected

    def ready(self, messages: Sequence[Message], *, timeout_s: float) -> bool:
        """Whether `messages` can be read now, good or bad; waits up to `timeout_s` where not."""
        if self._registry is None:
            return True
        return self._registry.ready(_schemas(messages), timeout_s=timeout_s)

    def read(
        self, value: bytes | None, headers: Sequence[tuple[str, bytes]], *, schema: Schema | None
    ) -> Read:
        """A message of the stream."""
        if not value:
            found_value = "is null" if value is None else "has no bytes"
            raise InvalidInput("empty", f"value {found_value}; expected an example")
        if len(value) > self.limits.message_bytes:
            text = f"value has {len(value)} bytes; expected at most {self.limits.message_bytes}"
            raise InvalidInput("too_large", text)
        return self._read_content(value, headers, schema=schema)

    def _read_content(
        self, value: bytes, headers: Sequence[tuple[str, bytes]], *, schema: Schema | None
    ) -> Read:
        found = read_headers(headers)
        if self._registry is not None and (frame := read_frame(value, found)) is not None:
            record = (self._fields or Fields()).example(self._registry.read(frame), reason="record")
            return self.read_map(record, "record", found, schema=schema)
        form = self._form(found)
        if form.media == "raw":
            array = read_raw(value, shape=form.shape, dtype=form.dtype, limits=self.limits)
        elif form.media == "image":
            array = self.read_image(value, schema=schema)
        elif form.media == "json":
            return self._read_record(parse_json(value), "json", found, schema=schema)
        elif form.media == "msgpack":
            return self._read_record(parse_msgpack(value), "msgpack", found, schema=schema)
        else:
            return self._read_event(value, headers, schema=schema)
        return array, self._header_label(found), header_name(found, "task"), header_id(found)

    def _read_event(
        self, value: bytes, headers: Sequence[tuple[str, bytes]], *, schema: Schema | None
    ) -> Read:
        content = open_event(value, headers)
        if content.value is None:
            return self._read_record(content.record, "json", read_headers(content.headers), schema=schema)
        if is_event(content.headers):
            raise InvalidInput("envelope", "event holds an event; expected the data of an example")
        return self._read_content(content.value, content.headers, schema=schema)

    def _read_record(
        self, record: object, reason: str, headers: Mapping[str, bytes], *, schema: Schema | None
    ) -> Read:
        if self._fields is not None and isinstance(record, Mapping):
            record = self._fields.example(record, reason=reason)
        return self.read_map(record, reason, headers, schema=schema)

    def read_map(
        self, body: object, reason: str, headers: Mapping[str, bytes], *, schema: Schema | None
    ) -> Read:
        """`{"input", "label", "task"?, "id"?}`; the headers fill what is not in it. `reason`: of what is no
        such map."""
        if not isinstance(body, Mapping) or "input" not in body:
            found = f"a map of {short_repr(list(body))}" if isinstance(body, Mapping) else shown(body)
            raise InvalidInput(reason, f"example is {found}; expected a map with input and label")
        label = self._header_label(headers) if body.get("label") is None else parse_label(body["label"])
        task = header_name(headers, "task") if body.get("task") is None else parse_text(body["task"], "task")
        identity = header_id(headers) if body.get("id") is None else parse_text(body["id"], "id")
        return self.read_input(body["input"], schema=schema), label, task, identity

    def read_input(self, value: object, *, schema: Schema | None) -> Array:
        """An input in any form of `inputs.read_input`, or an array."""
        if isinstance(value, np.ndarray):
            return read_array(value, limits=self.limits)
        image: Callable[[bytes], Pixels] = partial(self.read_image, schema=schema)
        return read_input(value, limits=self.limits, image=image)

    def read_image(self, data: bytes, *, schema: Schema | None) -> Pixels:
        """An encoded image; another size than the schema's is refused before it is decoded."""
        shape = None if schema is None or len(schema.shape) != 3 else schema.shape
        return decode_image(
            data,
            max_pixels=self.limits.pixels,
            size=None if shape is None else (shape[1], shape[2]),
            grey=shape is not None and shape[0] == 1,
            orient=self._orient,
        )

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


def _schemas(messages: Sequence[Message]) -> Iterator[SchemaId]:
    """Those of the messages, or of the events in them, that name one."""
    for message in messages:
        with suppress(InvalidInput):
            value, headers = message.value or b"", message.headers
            if is_event(headers):
                content = open_event(value, headers)
                value, headers = content.value or b"", content.headers
            if value and (frame := read_frame(value, read_headers(headers))) is not None:
                yield frame.schema
