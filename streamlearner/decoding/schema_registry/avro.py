"""Records in Avro."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import fastavro

from streamlearner.decoding.schema_registry.client import RegisteredSchema, UnknownSchema
from streamlearner.decoding.schema_registry.framing import Frame
from streamlearner.errors import InvalidInput


class AvroFormat:
    """Reads the records of one schema. Raises `UnknownSchema` for one that cannot be read."""

    def __init__(self, schema: RegisteredSchema) -> None:
        named: dict[str, Any] = {}
        try:
            for reference in schema.references:
                fastavro.parse_schema(json.loads(reference.text), named_schemas=named)
            self._schema = fastavro.parse_schema(json.loads(schema.text), named_schemas=named)
            _Sizes(named).check(self._schema)
        except UnknownSchema:
            raise
        except Exception as error:  # fastavro documents no closed set
            raise UnknownSchema(f"no Avro schema: {type(error).__name__}: {str(error)[:200]}") from None

    def read(self, frame: Frame) -> Mapping[str, Any]:
        """Raises `InvalidInput("record")` for bytes that do not fit the schema."""
        data = BytesIO(frame.payload)
        try:
            record: object = fastavro.schemaless_reader(data, self._schema, None)
        except Exception as error:  # of forged bytes: no closed set
            found = f"{type(error).__name__}: {str(error)[:120]}"
            raise InvalidInput("record", f"bytes do not fit their Avro schema ({found})") from None
        if left := len(frame.payload) - data.tell():
            raise InvalidInput("record", f"{left} bytes after the record; expected one of its Avro schema")
        if not isinstance(record, Mapping):
            raise InvalidInput("record", f"Avro schema is of a {type(record).__name__}; expected a record")
        return record


class _Sizes:
    """Which values take no bytes. Nothing bounds how many of them an array holds, so such schemas are
    refused: a limit in bytes is to limit the memory, too."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._seen: dict[str, bool] = {}

    def check(self, schema: Any) -> None:
        """Raises `UnknownSchema` where an array holds such values."""
        self._is_empty(schema)

    def _is_empty(self, schema: Any) -> bool:
        if isinstance(schema, list):  # a union tells which
            for each in schema:
                self._is_empty(each)
            return False
        if isinstance(schema, str):
            return schema == "null" or (schema in self._named and self._of_named(schema))
        kind = schema["type"]
        if kind in ("record", "error", "fixed"):
            return self._of_named(schema["name"])
        if kind == "array" and self._is_empty(schema["items"]):
            raise UnknownSchema("an Avro array of values that take no bytes")
        if kind == "map":
            self._is_empty(schema["values"])  # its keys take bytes
        return kind not in ("array", "map", "enum") and self._is_empty(kind)

    def _of_named(self, name: str) -> bool:
        if name not in self._seen:
            self._seen[name] = False  # one within itself is behind a union or an array
            schema = self._named[name]
            fields = schema.get("fields", [])
            found = [self._is_empty(field["type"]) for field in fields]
            is_nothing = schema["type"] != "enum" and not schema.get("size")
            self._seen[name] = is_nothing and all(found)
        return self._seen[name]
