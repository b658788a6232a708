"""Producers as companies have them: the serialisers of confluent-kafka, of one record in each format."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from confluent_kafka.schema_registry import (
    SchemaRegistryClient,
    header_schema_id_serializer,
    prefix_schema_id_serializer,
)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from streamlearner.stream import Message

TOPIC = "machines"
RECORD = {"serial": "m-7", "state": "worn", "readings": [61.5, 0.25]}
AVRO = json.dumps(
    {
        "type": "record",
        "name": "Reading",
        "fields": [
            {"name": "serial", "type": "string"},
            {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["sound", "worn"]}},
            {"name": "readings", "type": {"type": "array", "items": "float"}},
        ],
    }
)
JSON = json.dumps(
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Reading",
        "type": "object",
        "properties": {
            "serial": {"type": "string"},
            "state": {"enum": ["sound", "worn"]},
            "readings": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["serial", "state", "readings"],
    }
)
_FIELD = descriptor_pb2.FieldDescriptorProto


def _file() -> descriptor_pb2.FileDescriptorProto:
    """Two messages, and the reading within the second, so that its place is [1, 0]."""
    file = descriptor_pb2.FileDescriptorProto(name="reading.proto", package="plant", syntax="proto3")
    file.message_type.add(name="Other").field.add(
        name="state", number=1, type=_FIELD.TYPE_BYTES, label=_FIELD.LABEL_OPTIONAL
    )
    inner = file.message_type.add(name="Outer").nested_type.add(name="Reading")
    for number, (name, kind) in enumerate(
        {"serial": _FIELD.TYPE_STRING, "state": _FIELD.TYPE_ENUM, "readings": _FIELD.TYPE_FLOAT}.items(), 1
    ):
        label = _FIELD.LABEL_REPEATED if name == "readings" else _FIELD.LABEL_OPTIONAL
        inner.field.add(name=name, number=number, type=kind, label=label)
    inner.field[1].type_name = ".plant.State"
    state = file.enum_type.add(name="State")
    state.value.add(name="sound", number=0)
    state.value.add(name="worn", number=1)
    return file


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())
Reading = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("plant.Outer.Reading"))


def protobuf_reading(record: dict[str, Any]) -> Any:
    return Reading(**(record | {"state": ["sound", "worn"].index(record["state"])}))


def avro(client: Any, **conf: Any) -> Callable[..., bytes | None]:
    return AvroSerializer(client, AVRO, conf=conf)  # type: ignore[no-any-return]


def protobuf(client: Any, **conf: Any) -> Callable[..., bytes | None]:
    serializer = ProtobufSerializer(Reading, client, conf=conf)
    return lambda record, context: serializer(protobuf_reading(record), context)


def json_schema(client: Any, **conf: Any) -> Callable[..., bytes | None]:
    return JSONSerializer(JSON, client, conf=conf)  # type: ignore[no-any-return]


FORMATS: dict[str, Callable[..., Callable[..., bytes | None]]] = {
    "avro": avro, "protobuf": protobuf, "json": json_schema,
}  # fmt: skip


def produced(
    url: str, kind: str, record: dict[str, Any] = RECORD, *, in_header: bool = False, offset: int = 0
) -> Message:
    """One message as a producer of that format sends it, its schema registered at `url`."""
    place = header_schema_id_serializer if in_header else prefix_schema_id_serializer
    serialize = FORMATS[kind](SchemaRegistryClient({"url": url}), **{"schema.id.serializer": place})
    headers: list[tuple[str, bytes]] = []
    value = serialize(record, SerializationContext(TOPIC, MessageField.VALUE, headers))
    return Message(value, TOPIC, 0, offset, key=b"k", headers=tuple(headers))


def all_kinds(url: str, kind: str, *, in_header: bool) -> list[Message]:
    """Two records, one of them again, and what is none: cut off, empty, of no schema, a tombstone."""
    good, other = (
        produced(url, kind, RECORD | {"serial": serial}, in_header=in_header) for serial in ("m-1", "m-2")
    )
    unknown = b"\0\0\0\x03\xe7" + (good.value or b"")[5:]
    values: list[bytes | None] = [good.value, other.value, good.value]
    values += [(good.value or b"")[:-1], b"", b"\0\0", unknown, None]
    headers = [good.headers] * 5 + [()] * 3
    return [
        Message(value, TOPIC, 0, place, key=b"k", headers=named)
        for place, (value, named) in enumerate(zip(values, headers, strict=True))
    ]
