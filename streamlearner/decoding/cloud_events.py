"""CloudEvents in structured mode: the attributes of the event and its data as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamlearner.decoding.headers import ATTRIBUTES, Headers, parse_json
from streamlearner.decoding.inputs import bytes_of
from streamlearner.decoding.labels import shown
from streamlearner.errors import InvalidInput

_NEEDED: Final = ("specversion", "id", "source", "type")
_SPECIFICATION: Final = "1."


@dataclass(frozen=True, slots=True)
class Content:
    """What an event holds, as a message would: `headers`, and a `value` in bytes or, where that is None, a
    `record` that was JSON already."""

    headers: Headers
    value: bytes | None = None
    record: object = None


def open_event(value: bytes, headers: Sequence[tuple[str, bytes]]) -> Content:
    """The content of an event. Its attributes take the place of headers `ce_...`; headers of the message
    that say something else contradict them. Raises `InvalidInput`."""
    event = parse_json(value)
    if not isinstance(event, Mapping):
        raise InvalidInput("envelope", f"event is {shown(event)}; expected a JSON object")
    for name in _NEEDED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise InvalidInput(
                "envelope", f"{name} of the event is {shown(event.get(name))}; expected a text"
            )
    if not event["specversion"].startswith(_SPECIFICATION):
        found = f"event of CloudEvents {event['specversion'][:40]}"
        raise InvalidInput("envelope", f"{found}; expected version 1")
    named = tuple(
        (f"ce_{name}", _text(name, event[name]))
        for name in event
        if f"ce_{name}" in ATTRIBUTES and event[name] is not None
    )
    rest = tuple(header for header in headers if header[0].lower() != "content-type")
    return _content(event, rest + named)


def is_event(headers: Sequence[tuple[str, bytes]]) -> bool:
    """Whether a message with these headers is an event in structured mode."""
    return any(
        name.lower() in ("content-type", "ce_datacontenttype")
        and (value or b"").partition(b";")[0].strip().lower() == b"application/cloudevents+json"
        for name, value in headers
    )


def _content(event: Mapping[str, Any], headers: Headers) -> Content:
    data, encoded = event.get("data"), event.get("data_base64")
    if (data is None) == (encoded is None):
        found = "no data" if data is None else "both data and data_base64"
        raise InvalidInput("envelope", f"event has {found}; expected one of data and data_base64")
    if encoded is not None:
        return Content(headers, bytes_of(encoded, name="data_base64"))
    kind = str(event.get("datacontenttype") or "application/json").partition(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")):
        return Content(headers, None, data)
    if not isinstance(data, str):
        raise InvalidInput("envelope", f"data of type {kind[:80]} is {shown(data)}; expected a text")
    return Content(headers, data.encode("utf-8", "replace"))


def _text(name: str, value: object) -> bytes:
    """An attribute as a header says it."""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if not isinstance(value, str | int):
        raise InvalidInput(
            "envelope", f"attribute {name[:40]} is {shown(value)}; expected a text or an integer"
        )
    return str(value).encode("utf-8", "replace")
