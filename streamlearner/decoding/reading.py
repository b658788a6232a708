"""One message, or one body, to an input with its label, task and id, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from streamlearner.decoding.change_events import Change, Envelope, open_change, without_schema
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
from streamlearner.decoding.inputs import Array, Limits, Schema, read_array, read_input, read_raw
from streamlearner.decoding.labels import parse_label, parse_text, shown
from streamlearner.decoding.registered import Registry, schemas_of
from streamlearner.decoding.schema_registry.framing import read_frame
from streamlearner.errors import InvalidInput
from streamlearner.stream import Factors, Label, Message

if TYPE_CHECKING:
    from streamlearner.decoding.images import Pixels

_CACHE_ENTRIES = 4096

Read: TypeAlias = tuple[Array, Label | Factors, str | None, str | None]
"""An input, its label, task and id."""


class Gone(NamedTuple):
    """A row that is no more, by the id of its example, and input and label where the message has them; where
    the id is None too, a message about no row."""

    id: str | None = None
    input: Array | None = None
    label: Label | Factors | None = None


class Corrected(NamedTuple):
    """A row that became another; None where that has no label any more, and so is no example."""

    gone: Gone
    read: Read | None


class ExampleReader:
    """Reads what is well formed; whether it fits the stream's schema the codec sees.

    `orient`: the EXIF orientation of images is applied. `fields`: those of the records on the stream.
    `registry`: has the schemas of framed ones. `envelope`: what is around them. Any thread may call it, but
    what reads the stream for the learning thread alone; every method raises `InvalidInput`.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        orient: bool,
        fields: Fields | None,
        registry: Registry | None = None,
        envelope: Envelope = "none",
    ) -> None:
        self.limits = limits
        self._orient = orient
        self._fields = fields or (None if envelope == "none" else Fields())
        self._envelope = envelope
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
        return self._registry.ready(schemas_of(messages), timeout_s=timeout_s)

    def read(
        self, value: bytes | None, headers: Sequence[tuple[str, bytes]], *, schema: Schema | None
    ) -> Read | Corrected | Gone:
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
    ) -> Read | Corrected | Gone:
        found = read_headers(headers)
        if self._registry is not None and (frame := read_frame(value, found)) is not None:
            return self._read_record(self._registry.read(frame), "record", found, schema=schema)
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
    ) -> Read | Corrected | Gone:
        content = open_event(value, headers)
        if content.value is None:
            return self._read_record(content.record, "json", read_headers(content.headers), schema=schema)
        if is_event(content.headers):
            raise InvalidInput("envelope", "event holds an event; expected the data of an example")
        return self._read_content(content.value, content.headers, schema=schema)

    def _read_record(
        self, record: object, reason: str, headers: Mapping[str, bytes], *, schema: Schema | None
    ) -> Read | Corrected | Gone:
        if self._envelope == "debezium":
            return self._read_change(open_change(record), reason, headers, schema=schema)
        record = record if self._envelope == "none" else without_schema(record)
        return self._read_row(record, reason, headers, schema=schema)

    def _read_row(
        self, record: object, reason: str, headers: Mapping[str, bytes], *, schema: Schema | None
    ) -> Read:
        fields = self._fields or (Fields() if reason == "record" else None)
        if fields is not None and isinstance(record, Mapping):
            record = fields.example(record, reason=reason)
        return self.read_map(record, reason, headers, schema=schema)

    def _read_change(
        self, change: Change, reason: str, headers: Mapping[str, bytes], *, schema: Schema | None
    ) -> Read | Corrected | Gone:
        if change.kind == "other":
            return Gone()
        if change.kind == "deletion":
            return self._gone(change.before, reason, headers, schema=schema)
        lost = change.kind == "correction" and "label" not in headers and self._lost_label(change)
        read = None if lost else self._read_row(change.after, reason, headers, schema=schema)
        if read is not None and (change.kind == "row" or self._is_same(change)):
            return read
        return Corrected(self._gone({**change.after, **change.before}, reason, headers, schema=schema), read)

    def _lost_label(self, change: Change) -> bool:
        return (self._fields or Fields()).unlabels(change.before, change.after)

    def _is_same(self, change: Change) -> bool:
        """Whether an update left all that is read of a row as it was."""
        fields = self._fields or Fields()
        with suppress(InvalidInput):
            return fields.example(change.before, reason="") == fields.example(change.after, reason="")
        return False

    def _gone(
        self, row: Mapping[str, Any], reason: str, headers: Mapping[str, bytes], *, schema: Schema | None
    ) -> Gone:
        """Of a row that may be no more than its key."""
        name = (self._fields or Fields()).identity(row)
        identity = header_id(headers) if name is None else parse_text(name, "id")
        if identity is None:
            found = f"a row of {short_repr(list(row))} that was changed or deleted has no id"
            raise InvalidInput("id", f"{found}; expected the field of its key (codec.fields.id)")
        with suppress(InvalidInput):
            array, label, _, _ = self._read_row(row, reason, headers, schema=schema)
            if schema is None or array.shape == schema.shape:
                return Gone(identity, array, label)
        return Gone(identity)

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
        from streamlearner.decoding.images import decode_image  # with Pillow, which vectors do without

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
