"""Records of a Schema Registry, as confluent-kafka's serialisers write them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from streamlearner.app.codec import make_codec
from streamlearner.config.given import load_config
from streamlearner.stream import Message
from tests.support.mock_registry import MockRegistry, mock_registry
from tests.support.registry_codec import codec_of, reasons
from tests.support.registry_producers import FORMATS, RECORD, Reading, produced, protobuf_reading


@pytest.fixture
def registry() -> Iterator[MockRegistry]:
    with mock_registry() as found:
        yield found


@pytest.mark.parametrize("in_header", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_record_of_confluents_serialisers_is_an_example(
    registry: MockRegistry, kind: str, in_header: bool
) -> None:
    message = produced(registry.url, kind, in_header=in_header)
    assert bool(message.headers) == in_header
    batch, rejects = codec_of(registry).decode([message])
    assert rejects == []
    assert (batch.inputs.tolist(), batch.labels, batch.ids) == ([[61.5, 0.25]], ("worn",), ("m-7",))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_schema_is_asked_for_once(registry: MockRegistry, kind: str) -> None:
    messages = [produced(registry.url, kind, RECORD | {"serial": f"{n}"}) for n in range(5)]
    codec = codec_of(registry)
    registry.asked.clear()
    assert codec.ready(messages, timeout_s=1.0)
    assert len(codec.decode(messages)[0]) == 5
    assert registry.asked == ["/schemas/ids/1"]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("in_header", [False, True])
def test_a_record_cut_anywhere_is_a_reject_and_never_an_error(
    registry: MockRegistry, kind: str, in_header: bool
) -> None:
    message = produced(registry.url, kind, in_header=in_header)
    codec = codec_of(registry)
    assert codec.decode([message])[1] == []
    assert message.value is not None
    for end in range(len(message.value)):
        batch, rejects = codec.decode([replace(message, value=message.value[:end])])
        assert len(batch) + len(rejects) == 1
        if not rejects:  # a Protobuf that ends between two fields has default values there
            assert kind == "protobuf"


@pytest.mark.parametrize("kind", ["avro", "json"])
def test_what_follows_a_record_is_no_part_of_it(registry: MockRegistry, kind: str) -> None:
    message = produced(registry.url, kind)
    codec, value = codec_of(registry), (message.value or b"") + b"\x01"
    assert reasons(codec, replace(message, value=value)) == ["record" if kind == "avro" else "json"]


def test_a_record_that_breaks_its_json_schema_is_rejected(registry: MockRegistry) -> None:
    message = produced(registry.url, "json")
    body = json.dumps(RECORD | {"state": "gone"}).encode()
    _, rejects = codec_of(registry).decode([replace(message, value=(message.value or b"")[:5] + body)])
    assert [reject.reason for reject in rejects] == ["record"]
    assert "$.state: 'gone' is not one of" in rejects[0].detail


def test_message_indexes_that_there_are_not_are_rejected(registry: MockRegistry) -> None:
    message = produced(registry.url, "protobuf")
    record = protobuf_reading(RECORD).SerializeToString()
    for indexes in (b"\x02\x08", b"\x04\x02\x7e", b"\x01", b"\x80", b"\x7e", b"\xff" * 9):
        value = (message.value or b"")[:5] + indexes + record
        assert reasons(codec_of(registry), replace(message, value=value)) == ["record"]


def test_protobuf_in_source_is_asked_for_as_a_descriptor(registry: MockRegistry) -> None:
    message = produced(registry.url, "protobuf")
    stored = registry.schemas[0]
    source = 'syntax = "proto3"; ...'
    registry.serialized[source] = stored["schema"]
    stored["schema"] = source
    registry.asked.clear()
    assert reasons(codec_of(registry), message) == []
    assert registry.asked == ["/schemas/ids/1", "/schemas/ids/1?format=serialized"]
    registry.serialized.clear()
    assert reasons(codec_of(registry), message) == ["registry"]


def test_schemas_that_refer_to_others_are_read(registry: MockRegistry) -> None:
    state = json.dumps({"type": "enum", "name": "State", "symbols": ["sound", "worn"]})
    registry.register("state", {"schema": state})
    fields = [
        {"name": "readings", "type": {"type": "array", "items": "float"}},
        {"name": "state", "type": "State"},
    ]
    schema = json.dumps({"type": "record", "name": "Reading", "fields": fields})
    references = [{"name": "State", "subject": "state", "version": 1}]
    number = registry.register("reading", {"schema": schema, "references": references})
    value = bytes([0, *number.to_bytes(4, "big"), 2, 0, 0, 0x80, 0x3F, 0, 2])
    batch, rejects = codec_of(registry).decode([Message(value, "t", 0, 0)])
    assert rejects == []
    assert (batch.inputs.tolist(), batch.labels) == ([[1.0]], ("worn",))


def test_references_in_a_circle_end(registry: MockRegistry) -> None:
    schema = json.dumps({"type": "string"})
    registry.register("a", {"schema": schema, "references": [{"name": "a", "subject": "a", "version": 1}]})
    assert reasons(codec_of(registry), Message(b"\0\0\0\0\1\0", "t", 0, 0)) in (["registry"], ["record"])


@pytest.mark.parametrize(
    "schema",
    [
        {"schema": "no schema"},
        {"schema": "{}", "schemaType": "XML"},
        {"schema": "[", "schemaType": "JSON"},
        {"schema": '{"type": 7}', "schemaType": "JSON"},
        {"schema": base64.b64encode(b"\xff\xff").decode(), "schemaType": "PROTOBUF"},
        {"schema": '"int"', "references": [{"name": "x"}]},
    ],
)
def test_a_schema_that_is_none_rejects_what_names_it(registry: MockRegistry, schema: dict[str, Any]) -> None:
    registry.register("x", schema)
    assert reasons(codec_of(registry), Message(b"\0\0\0\0\1{}", "t", 0, 0)) == ["registry"]


def of_items(items: Any) -> dict[str, Any]:
    field = {"name": "readings", "type": {"type": "array", "items": items}}
    return {"schema": json.dumps({"type": "record", "name": "R", "namespace": "n", "fields": [field]})}


@pytest.mark.parametrize(
    "items",
    [
        "null",
        {"type": "record", "name": "E", "fields": []},
        {"type": "record", "name": "E", "fields": [{"name": "x", "type": "null"}]},
        {"type": "fixed", "name": "F", "size": 0},
        ["null", {"type": "array", "items": {"type": "null"}}],
    ],
)
def test_a_schema_with_an_array_of_values_without_bytes_is_refused(
    registry: MockRegistry, items: Any
) -> None:
    """Whatever the message holds: here an empty array."""
    registry.register("x", of_items(items))
    assert reasons(codec_of(registry), Message(b"\0\0\0\0\1\0", "t", 0, 0)) == ["registry"]


@pytest.mark.parametrize(
    "items",
    [
        "float",
        ["null", "float"],
        {"type": "fixed", "name": "F", "size": 2},
        {"type": "enum", "name": "M", "symbols": ["a"]},
        {"type": "record", "name": "E", "fields": [{"name": "x", "type": ["null", "n.R"]}]},
        {"type": "array", "items": "int"},
        {"type": "map", "values": "null"},
        {"type": "int", "logicalType": "date"},
    ],
)
def test_arrays_of_all_other_values_are_read(registry: MockRegistry, items: Any) -> None:
    registry.register("x", of_items(items))
    _, rejects = codec_of(registry).decode([Message(b"\0\0\0\0\1\0", "t", 0, 0)])
    assert rejects[0].reason != "registry"


def test_a_remote_reference_of_a_json_schema_is_never_fetched(registry: MockRegistry) -> None:
    schema = json.dumps({"$ref": f"{registry.url}/elsewhere.json"})
    registry.register("x", {"schema": schema, "schemaType": "JSON"})
    assert reasons(codec_of(registry), Message(b"\0\0\0\0\1{}", "t", 0, 0)) == ["record"]
    assert registry.asked == ["/schemas/ids/1"]


def test_name_and_password_are_sent_and_not_shown(registry: MockRegistry) -> None:
    codec = codec_of(registry, username="u", password="hush-hush")
    reasons(codec, Message(b"\0\0\0\0\1\0", "t", 0, 0))
    assert registry.authorizations[-1] == "Basic " + base64.b64encode(b"u:hush-hush").decode()
    config = load_config({"schema_registry.password": "hush-hush"})
    assert "hush-hush" not in json.dumps(config.shown())
    assert config.digest() == load_config({}).digest()


def test_other_formats_are_read_beside(registry: MockRegistry) -> None:
    """Raw bytes that begin with 0 have a shape, and an image its content-type."""
    raw = Message(bytes(8), "t", 0, 0, headers=(("shape", b"8"), ("label", b"a")))
    body = json.dumps({"readings": [0.0] * 8, "state": "b"}).encode()
    plain = Message(body, "t", 0, 1, headers=(("content-type", b"application/json"),))
    batch, rejects = codec_of(registry).decode([raw, plain])
    assert (rejects, batch.labels) == ([], ("a", "b"))


def test_without_a_registry_framed_records_are_rejected_as_before(registry: MockRegistry) -> None:
    assert reasons(make_codec(load_config({})), produced(registry.url, "avro")) == ["headers"]


def test_a_protobuf_of_the_first_message_may_leave_its_place_out(registry: MockRegistry) -> None:
    assert Reading.DESCRIPTOR.full_name == "plant.Outer.Reading"
    message = produced(registry.url, "protobuf")
    value = (message.value or b"")[:5] + b"\0" + b"\x0a\x02ok"
    _, rejects = codec_of(registry).decode([replace(message, value=value)])
    assert "no field readings" in rejects[0].detail  # it is plant.Other, of which state is bytes
