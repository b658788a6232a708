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
