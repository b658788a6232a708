"""Erasures: messages, or requests, that take back what was learned from an example, a label or a task.

A message is one where it has a header `erase` (or, as JSON or MessagePack, a key `erase`) that says by what:
`id`, `label` or `task`. That one is named as for an example, in the body or a header. By id, the rest of the
message may be the example itself, with its label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, TypeAlias, get_args

from torch import Tensor

from streamlearner.decoding.cloud_events import is_event, open_event
from streamlearner.decoding.headers import (
    Headers,
    header_id,
    header_name,
    header_text,
    parse_json,
    parse_msgpack,
    read_form,
    read_headers,
)
from streamlearner.decoding.labels import label_text, parse_label, parse_text, shown
from streamlearner.errors import InvalidInput
from streamlearner.stream import Factors, Label, Message

By: TypeAlias = Literal["id", "label", "task"]
ReadLabelled: TypeAlias = Callable[[Message], tuple[Tensor, Label | Factors]]
DIGEST_BYTES = 8
NAMES = ("erase", "ce_erase")
LENGTHS = frozenset(map(len, NAMES))


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is to be erased: the example that is called `id`, or all of a `label` or of a `task`; the others
    are None. By id, `input` [*shape] and `input_label` are the example itself where the message carries it,
    so that sums can be subtracted. `where`: the place of the message. `corrects`: the source changed what it
    said of the example, and may say more of it later; `replaced`: the same message has what takes its
    place."""

    id: str | None = None
    label: Label | Factors | None = None
    task: str | None = None
    input: Tensor | None = None
    input_label: Label | Factors | None = None
    where: str = ""
    corrects: bool = False
    replaced: bool = False

    @property
    def by(self) -> By:
        return "id" if self.id is not None else "label" if self.label is not None else "task"

    @property
    def name(self) -> str:
        """Of the example, the label or the task."""
        if self.id is not None:
            return self.id
        return label_text(self.label) if self.label is not None else str(self.task)

    def covers(self, *, id: str | None, label: Label | Factors, task: str | None) -> bool:
        """Whether it erases an example of this id, label and task, or one of the label's factors."""
        if self.id is not None:
            return id == self.id
        if isinstance(self.label, Mapping) and isinstance(label, Mapping):
            return any(label.get(factor) == value for factor, value in self.label.items())
        return label == self.label if self.label is not None else task == self.task


def digest_of(id: str) -> int:
    """By which an id is known again: 64 bits of BLAKE2b as a signed number."""
    return int.from_bytes(blake2b(id.encode(), digest_size=DIGEST_BYTES).digest(), "little", signed=True)


def read_erasure(message: Message, *, read: ReadLabelled) -> Erasure | None:
    """The erasure that a message is; None where it is none. `read` gives the input and label of the example
    that it carries. Raises `InvalidInput`."""
    if (fields := _fields(message)) is None:
        return None
    headers, body = fields
    by, where = _by(headers, body), message.where()
    if by == "label":
        return Erasure(label=_label(headers, body), where=where)
    name = _name(headers, body, by)
    if name is None:
        raise InvalidInput("erase", f"erase is {by}, but the message names none; expected the {by} to erase")
    if by == "task":
        return Erasure(task=name, where=where)
    if not message.value or (body is not None and body.get("input") is None):
        return Erasure(id=name, where=where)
    input, label = read(message)
    return Erasure(id=name, input=input, input_label=label, where=where)


def _fields(message: Message) -> tuple[Mapping[str, bytes], Mapping[str, Any] | None] | None:
    """The headers that count, and the body where it is a map; None where neither has `erase`."""
    value, given = message.value or b"", message.headers
    if not _named(given) and (
        b"erase" not in value or (b'"erase"' not in value and b"\xa5erase" not in value)
    ):
        return None
    if is_event(given):
        content = open_event(value, given)
        value, given, record = content.value or b"", content.headers, content.record
        body = record if isinstance(record, Mapping) else _body(value, read_headers(given))
    else:
        body = _body(value, read_headers(given))
    is_one = _named(given) or (body is not None and body.get("erase") is not None)
    return (read_headers(given), body) if is_one else None


def _named(headers: Headers) -> bool:
    # asked of each message: a list takes half as long as a generator
    return bool([name for name, _ in headers if len(name) in LENGTHS and name.lower() in NAMES])


def _body(value: bytes, headers: Mapping[str, bytes]) -> Mapping[str, Any] | None:
    content_type = headers.get("content-type")
    if not value or content_type is None:
        return None
    media = read_form(content_type, b"1", None).media
    if media not in ("json", "msgpack"):
        return None
    body = parse_json(value) if media == "json" else parse_msgpack(value)
    return body if isinstance(body, Mapping) else None


def _by(headers: Mapping[str, bytes], body: Mapping[str, Any] | None) -> By:
    given = (body or {}).get("erase")
    value = header_text(headers["erase"], "erase") if given is None else given
    for by in get_args(By):
        if value == by:
            return by  # type: ignore[no-any-return]
    raise InvalidInput("erase", f"erase is {shown(value)}; expected id, label or task: by what to erase")


def _label(headers: Mapping[str, bytes], body: Mapping[str, Any] | None) -> Label | Factors:
    if (given := (body or {}).get("label")) is not None:
        return parse_label(given)
    if "label" not in headers:
        raise InvalidInput("erase", "erase is label, but the message names none; expected the label to erase")
    return parse_label(header_text(headers["label"], "label"))


def _name(headers: Mapping[str, bytes], body: Mapping[str, Any] | None, by: By) -> str | None:
    if (given := (body or {}).get(by)) is not None:
        return parse_text(given, by)
    return header_id(headers) if by == "id" else header_name(headers, by)
