"""Records in JSON, each held to its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import validator_for
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from streamlearner.decoding.headers import parse_json
from streamlearner.decoding.schema_registry.client import RegisteredSchema, UnknownSchema
from streamlearner.decoding.schema_registry.framing import Frame
from streamlearner.errors import InvalidInput


class JsonSchemaFormat:
    """Reads the records of one schema. Raises `UnknownSchema` for one that cannot be read."""

    def __init__(self, schema: RegisteredSchema) -> None:
        try:
            known: Registry[Any] = Registry()  # what is not in it is never fetched
            for reference in schema.references:
                resource = Resource.from_contents(json.loads(reference.text), default_specification=DRAFT7)
                known = known.with_resource(reference.name, resource)
            parsed = json.loads(schema.text)
            kind = validator_for(parsed, default=Draft7Validator)
            kind.check_schema(parsed)
            self._validator = kind(parsed, registry=known)
        except Exception as error:  # of a schema that is none: jsonschema's, referencing's, ValueError
            raise UnknownSchema(f"no JSON Schema: {type(error).__name__}: {str(error)[:200]}") from None

    def read(self, frame: Frame) -> Mapping[str, Any]:
        """Raises `InvalidInput("record")` for what does not fit the schema."""
        record = parse_json(frame.payload)
        try:
            self._validator.validate(record)
        except ValidationError as error:
            found = f"{error.json_path}: {error.message[:200]}"
            raise InvalidInput("record", f"record does not fit its JSON Schema: {found}") from None
        except Exception as error:  # a reference that is not there, or a regular expression that is none
            raise InvalidInput(
                "record", f"JSON Schema cannot be applied: {type(error).__name__}: {str(error)[:200]}"
            ) from None
        if not isinstance(record, Mapping):
            raise InvalidInput("record", f"record is a {type(record).__name__}; expected an object")
        return record
