"""The records of a stream whose schemas are in a registry: each schema is asked for once."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from streamlearner.decoding.schema_registry.avro import AvroFormat
from streamlearner.decoding.schema_registry.client import (
    RegisteredSchema,
    RegistryUnreachable,
    UnknownSchema,
)
from streamlearner.decoding.schema_registry.framing import Frame, SchemaId
from streamlearner.decoding.schema_registry.json_schema import JsonSchemaFormat
from streamlearner.decoding.schema_registry.protobuf import ProtobufFormat
from streamlearner.errors import InvalidInput

log = logging.getLogger(__name__)

_FORMATS: Final[dict[str, Callable[[RegisteredSchema], RecordFormat]]] = {
    "AVRO": AvroFormat, "PROTOBUF": ProtobufFormat, "JSON": JsonSchemaFormat,
}  # fmt: skip


class RecordFormat(Protocol):
    """Reads the records of one schema."""

    def read(self, frame: Frame) -> Mapping[str, Any]: ...


class Client(Protocol):
    """Who knows schemas (`client.RegistryClient` is one)."""

    def schema(self, schema: SchemaId) -> RegisteredSchema: ...


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why a schema is not had, until when it is not asked for again, and whether the stream waits for it."""

    detail: str
    until_s: float
    waits: bool


class RegistryRecords:
    """Reads framed records. It belongs to the learning thread.

    `waits_unreachable`: while the registry does not answer, `ready` is False for what needs it; else `read`
    rejects that. `waits_unknown`: the same of ids that it does not know. Both are asked for again after
    `retry_s`. The last `max_schemas` are kept; `sleep` waits a part of a `timeout_s`.
    """

    def __init__(
        self,
        *,
        client: Client,
        waits_unreachable: bool,
        waits_unknown: bool,
        retry_s: float,
        max_schemas: int,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._waits_unreachable, self._waits_unknown = waits_unreachable, waits_unknown
        self._retry_s, self._max_schemas = retry_s, max_schemas
        self._clock, self._sleep = clock, sleep
        self._known: OrderedDict[SchemaId, RecordFormat | _Failed] = OrderedDict()
        self._down_until_s: float | None = None
        self._said: set[SchemaId] = set()

    @property
    def connected(self) -> bool:
        """False from a question that the registry left unanswered, to the next that it answers."""
        return self._down_until_s is None

    def ready(self, schemas: Iterable[SchemaId], *, timeout_s: float) -> bool:
        """Whether `read` can be called for these; waits up to `timeout_s` where not."""
        waiting = [schema for schema in dict.fromkeys(schemas) if self._waits_for(schema)]
        if waiting and timeout_s > 0:
            self._sleep(min(timeout_s, self._retry_s))
        return not waiting

    def read(self, frame: Frame) -> Mapping[str, Any]:
        """The record. Raises `InvalidInput`: "registry" where its schema is not had, "record" where it does
        not fit it."""
        found = self._find(frame.schema)
        if isinstance(found, _Failed):
            raise InvalidInput("registry", f"schema {frame.schema} of the record: {found.detail}")
        return found.read(frame)

    def _waits_for(self, schema: SchemaId) -> bool:
        found = self._find(schema)
        return isinstance(found, _Failed) and found.waits

    def _find(self, schema: SchemaId) -> RecordFormat | _Failed:
        found = self._known.get(schema)
        if found is None or (isinstance(found, _Failed) and found.until_s <= self._clock()):
            found = self._ask(schema)
            self._known[schema] = found
            while len(self._known) > self._max_schemas:
                self._known.popitem(last=False)
        self._known.move_to_end(schema)
        return found

    def _ask(self, schema: SchemaId) -> RecordFormat | _Failed:
        if self._down_until_s is not None and self._clock() < self._down_until_s:
            return _Failed("the registry does not answer", self._down_until_s, self._waits_unreachable)
        try:
            registered = self._client.schema(schema)
            self._answered()
            if (make := _FORMATS.get(registered.kind)) is None:
                raise UnknownSchema(f"it is of kind {registered.kind}; expected {', '.join(_FORMATS)}")
            self._said.discard(schema)
            return make(registered)
        except RegistryUnreachable as error:
            return self._unanswered(error)
        except UnknownSchema as error:
            self._answered()
            self._tell(schema, error)
            return _Failed(str(error), self._clock() + self._retry_s, self._waits_unknown)

    def _answered(self) -> None:
        if self._down_until_s is not None:
            log.info("the schema registry answers again")
        self._down_until_s = None

    def _unanswered(self, error: RegistryUnreachable) -> _Failed:
        if self._down_until_s is None:
            rest = "learning waits" if self._waits_unreachable else "messages that need it are dead letters"
            log.warning("the schema registry does not answer (%s): %s, predictions go on", error, rest)
        self._down_until_s = self._clock() + self._retry_s
        return _Failed(str(error), self._down_until_s, self._waits_unreachable)

    def _tell(self, schema: SchemaId, error: UnknownSchema) -> None:
        """Once for each schema that the stream waits for: nothing else would say why it stands still."""
        if self._waits_unknown and schema not in self._said and len(self._said) < self._max_schemas:
            self._said.add(schema)
            log.warning("schema %s cannot be used (%s): learning waits", schema, error)
