"""The codec: messages from a stream, or bodies from HTTP, to validated examples.

Five wire formats, distinguished by the header `content-type` (its CloudEvents forms included):

- application/octet-stream, or none: raw bytes with headers `shape` and `dtype`. The default: 1 us a message.
- image/png, image/jpeg, image/webp, image/tiff: the rules are in `images`.
- application/json: `{"input": ..., "label": ..., "task"?, "id"?}`; the forms of an input are in `inputs`.
  What a company's own records call these, `fields` says.
- application/msgpack (also x-msgpack, vnd.msgpack): the same map, with `{"data": bytes}` in place of base64.

- application/cloudevents+json: an event whose data is any of the above, its attributes instead of headers.

With a registry, records in Confluent's framing besides: `schema_registry`.
Label, task and id come from the body, or where it has none (or null), from the headers `label`, `task`, `id`.
Every header may also be written `ce_label` and so on (CloudEvents binary mode); one given twice must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from streamlearner.decoding.batch import Batch
from streamlearner.decoding.change_events import Envelope
from streamlearner.decoding.erasures import Erasure, read_erasure
from streamlearner.decoding.fields import Fields
from streamlearner.decoding.headers import encode_raw as encode_raw
from streamlearner.decoding.headers import is_gone, is_tombstone
from streamlearner.decoding.inputs import DEFAULT_LIMITS, Array, Limits
from streamlearner.decoding.inputs import Schema as Schema
from streamlearner.decoding.reading import Corrected, ExampleReader, Gone, Read
from streamlearner.decoding.reasons import REASONS as REASONS
from streamlearner.decoding.registered import Registry
from streamlearner.decoding.rows import Rows, read_rows
from streamlearner.decoding.shapes import written
from streamlearner.errors import InvalidInput
from streamlearner.stream import Factors, Label, Message, Reject


class Example(NamedTuple):
    """One decoded example: [C, H, W] uint8 or [d] float32, and what it is called."""

    input: Tensor
    label: Label | Factors
    task: str | None
    id: str | None


class Codec:
    """Decodes messages and HTTP bodies against one schema.

    `schema` is given, or None until the first good example of `decode` fixes it; then an example of another
    shape or dtype is a Reject, never reshaped. Assign it to restore a checkpoint.
    `decode` never raises for bad content and belongs to the learning thread. The `decode_*` for HTTP raise
    `InvalidInput`, never change the schema, and any thread may call them.
    """

    def __init__(
        self,
        *,
        schema: Schema | None = None,
        limits: Limits = DEFAULT_LIMITS,
        orient: bool = True,
        fields: Fields | None = None,
        registry: Registry | None = None,
        envelope: Envelope = "none",
    ) -> None:
        self.schema = schema
        self._reader = ExampleReader(
            limits=limits, orient=orient, fields=fields, registry=registry, envelope=envelope
        )

    @property
    def connected(self) -> bool:
        """False while a registry that has the schemas of messages does not answer."""
        return self._reader.connected

    @property
    def limits(self) -> Limits:
        """What one message may claim. Assign it before anything is decoded."""
        return self._reader.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._reader.limits = limits

    def ready(self, messages: Sequence[Message], *, timeout_s: float) -> bool:
        """Whether `messages` can be decoded now; waits up to `timeout_s` for what they need. On the learning
        thread."""
        return self._reader.ready(messages, timeout_s=timeout_s)

    def decode(self, messages: Sequence[Message]) -> tuple[Batch, list[Reject]]:
        """The good examples and the rejects of `messages`, each in the order of the stream.

        A tombstone (`headers.is_tombstone`) is in neither: it says something about a key, and nothing that
        could be learned or mended; nor is what was erased before it was read. With no good example the batch
        has 0 rows: [0, *schema.shape], or [0, 0] float32 while there is no schema. It has the erasures, too.
        """
        arrays: list[Array] = []
        labels: list[Label | Factors] = []
        tasks: list[str | None] = []
        ids: list[str | None] = []
        kept: list[Message] = []
        rejects: list[Reject] = []
        erasures: list[tuple[int, Erasure]] = []
        tombstones = 0
        for message in messages:
            if not message.value and (is_tombstone(message) or is_gone(message)):
                continue
            try:
                read, erasure = self._read(message)
            except InvalidInput as error:
                rejects.append(Reject(message, error.reason, str(error)))
                continue
            erasures += [(len(kept), erasure)] if erasure is not None else []
            tombstones += read is None and erasure is None
            if read is None:
                continue
            array, label, task, identity = read
            if self.schema is None:
                self.schema = Schema(shape=array.shape, dtype=array.dtype.name)
            arrays.append(array)
            labels.append(label)
            tasks.append(task)
            ids.append(identity)
            kept.append(message)
        named = tuple(labels), tuple(tasks), tuple(ids), tuple(kept)
        return Batch(self._stack(arrays), *named, tuple(erasures), tombstones), rejects

    def _read(self, message: Message) -> tuple[Read | None, Erasure | None]:
        """The example, if there is one, and what is erased before it; neither: a tombstone inside an
        envelope. Raises `InvalidInput`."""
        if (erasure := self._erasure(message)) is not None:
            return None, erasure
        found = self._reader.read(message.value, message.headers, schema=self.schema)
        if isinstance(found, Gone):
            return None, None if found.id is None else _erasure_of(found, message)
        gone, read = found if isinstance(found, Corrected) else (None, found)
        if read is not None:
            self._check(read[0])
        return read, None if gone is None else _correction_of(gone, read, message)

    def decode_input(self, value: object) -> Tensor:
        """One input of an HTTP body, in any form of `inputs.read_input`. Raises `InvalidInput`."""
        array = self._reader.read_input(value, schema=self.schema)
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
                array = self._reader.read_input(value, schema=self.schema)
                self._check(array)
            except InvalidInput as error:
                raise InvalidInput(error.reason, f"inputs[{index}]: {error}") from None
            if arrays and array.shape != arrays[0].shape:
                expected = f"{_describe(arrays[0])}, as inputs[0] is"
                raise InvalidInput("schema", f"inputs[{index}] is {_describe(array)}; expected {expected}")
            arrays.append(array)
        return self._stack(arrays)

    def decode_image(self, data: bytes) -> Tensor:
        """An HTTP body that is a PNG, JPEG, WebP or TIFF file: [C, H, W] uint8. Raises `InvalidInput`."""
        return self.decode_input({"image": data})

    def decode_example(self, body: object) -> Example:
        """One labelled example of an HTTP body: `{"input", "label", "task"?, "id"?}`, as in a JSON message.

        Raises `InvalidInput`.
        """
        array, label, task, identity = self._reader.read_map(body, "json", {}, schema=self.schema)
        self._check(array)
        return Example(torch.from_numpy(np.array(array, order="C")), label, task, identity)

    def decode_rows(self, body: bytes, *, most: int) -> Rows:
        """The labelled examples of a body in MessagePack, at most so many (`rows`). Raises `InvalidInput`."""
        return read_rows(body, most=most, limits=self._reader.limits, schema=self.schema)

    def _erasure(self, message: Message) -> Erasure | None:
        within = len(message.value or b"") <= self._reader.limits.message_bytes
        return read_erasure(message, read=self._read_labelled) if within else None

    def _read_labelled(self, message: Message) -> tuple[Tensor, Label | Factors]:
        found = self._reader.read(message.value, message.headers, schema=self.schema)
        if isinstance(found, Gone | Corrected):
            raise InvalidInput("erase", "a change event that erases, too; expected one of both")
        array, label, _, _ = found
        self._check(array)
        return torch.from_numpy(np.array(array, order="C")), label

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
    return f"{written(array.shape)} {array.dtype.name}"


def _erasure_of(gone: Gone, message: Message) -> Erasure:
    input = None if gone.input is None else torch.from_numpy(np.array(gone.input, order="C"))
    return Erasure(id=gone.id, input=input, input_label=gone.label, where=message.where())


def _correction_of(gone: Gone, read: Read | None, message: Message) -> Erasure:
    return replace(_erasure_of(gone, message), corrects=True, replaced=read is not None)
