"""Records of a Schema Registry whose schema has moved on: both kinds are on the topic."""

from __future__ import annotations

import json
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from streamlearner.stream import Message
from tests.support.mock_registry import mock_registry
from tests.support.registry_codec import codec_of
from tests.support.registry_producers import AVRO, JSON, RECORD, TOPIC, produced


def later_avro() -> str:
    schema = json.loads(AVRO)
    serial, state, readings = schema["fields"]
    readings["type"]["items"] = "double"
    line = {"name": "line", "type": "string", "default": ""}
    schema["fields"] = [line, serial, state | {"type": ["null", state["type"]]}, readings]
    return json.dumps(schema)


def later_json() -> str:
    schema = json.loads(JSON)
    schema["properties"] = {"line": {"type": "string"}, **schema["properties"]}
    schema["properties"]["state"] = {"type": ["string", "null"]}
    return json.dumps(schema)


def later(url: str, kind: str, state: str | None) -> Message:
    """A field more in front, one of a wider type, and one that may be null."""
    client = SchemaRegistryClient({"url": url})
    serialize: Any = (
        AvroSerializer(client, later_avro()) if kind == "avro" else JSONSerializer(later_json(), client)
    )
    record = RECORD | {"line": "press", "serial": "m-8", "state": state}
    return Message(serialize(record, SerializationContext(TOPIC, MessageField.VALUE)), TOPIC, 0, 1)


@pytest.mark.parametrize("kind", ["avro", "json"])
def test_records_of_a_schema_and_of_a_later_one_are_learned_beside_each_other(kind: str) -> None:
    with mock_registry() as registry:
        old, new = produced(registry.url, kind), later(registry.url, kind, "worn")
        unlabelled = later(registry.url, kind, None)
        batch, rejects = codec_of(registry).decode([old, new, unlabelled, old])
    assert (batch.labels, batch.ids) == (("worn",) * 3, ("m-7", "m-8", "m-7"))
    assert batch.inputs.tolist() == [[61.5, 0.25]] * 3
    assert [reject.reason for reject in rejects] == ["label"]
