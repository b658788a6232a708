"""Which schemas the messages of a stream name, and who has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from streamlearner.decoding.cloud_events import is_event, open_event
from streamlearner.decoding.headers import read_headers
from streamlearner.decoding.schema_registry.framing import Frame, SchemaId, read_frame
from streamlearner.errors import InvalidInput
from streamlearner.stream import Message


class Registry(Protocol):
    """Reads records by their schemas (`schema_registry.records.RegistryRecords` is one)."""

    @property
    def connected(self) -> bool: ...

    def ready(self, schemas: Iterable[SchemaId], *, timeout_s: float) -> bool: ...

    def read(self, frame: Frame) -> Mapping[str, Any]: ...


def schemas_of(messages: Sequence[Message]) -> Iterator[SchemaId]:
    """Those of the messages, or of the events in them, that name one."""
    for message in messages:
        with suppress(InvalidInput):
            value, headers = message.value or b"", message.headers
            if is_event(headers):
                content = open_event(value, headers)
                value, headers = content.value or b"", content.headers
            if value and (frame := read_frame(value, read_headers(headers))) is not None:
                yield frame.schema
