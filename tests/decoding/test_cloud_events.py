"""CloudEvents in structured mode, as the SDK writes them and as others do."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from streamlearner.app.codec import make_codec
from streamlearner.config.given import load_config
from streamlearner.connectors.kafka.dead_letters import record
from streamlearner.decoding.codec import Codec
from streamlearner.decoding.fields import Fields
from streamlearner.stream import Message
from tests.support.malformed import PIXELS, as_image, as_msgpack
from tests.support.mock_registry import mock_registry
from tests.support.registry_producers import RECORD, produced

EVENT = {"specversion": "1.0", "id": "7", "source": "/press", "type": "reading"}
DATA = {"input": [1.0, 2.0], "label": "a"}


def event(*headers: tuple[str, bytes], **attributes: Any) -> Message:
    """An attribute of None is left out."""
    body = {name: value for name, value in {**EVENT, **attributes}.items() if value is not None}
    kind = ("content-type", b"application/cloudevents+json; charset=UTF-8")
    return Message(json.dumps(body).encode(), "t", 0, 0, headers=(kind, *headers))


def reason_of(message: Message) -> str:
    batch, rejects = Codec().decode([message])
    assert len(batch) == 0
    return rejects[0].reason


def test_the_data_of_an_event_are_an_example_known_by_source_and_id() -> None:
    batch, rejects = Codec().decode([event(data=DATA, label="ignored", task="north")])
    assert rejects == []
    assert (batch.inputs.tolist(), batch.labels, batch.tasks) == ([[1.0, 2.0]], ("a",), ("north",))
    assert batch.ids == ("/press\n7",)


def test_attributes_say_what_the_data_do_not() -> None:
    batch, rejects = Codec().decode([event(data={"input": [1]}, label=3)])
    assert (rejects, batch.labels) == ([], (3,))


def test_fields_of_the_data_are_named_by_the_setting() -> None:
    codec = Codec(fields=Fields(input=("x",), label="state", id="serial"))
    batch, _ = codec.decode([event(data={"x": [1], "state": "worn", "serial": 9})])
    assert (batch.labels, batch.ids) == (("worn",), ("9",))


def test_an_event_may_erase() -> None:
    messages = [
        event(data={"id": "x"}, erase="id"),
        event(data={"erase": "label", "label": "a"}),
        event(data={"input": [1], "label": "a"}, erase="id", id="8"),
    ]
    batch, rejects = Codec().decode(messages)
    assert (rejects, len(batch)) == ([], 0)
    assert [(erasure.by, erasure.name) for _, erasure in batch.erasures] == [
        ("id", "x"),
        ("label", "a"),
        ("id", "/press\n8"),
    ]


def test_binary_data_are_read_by_their_content_type() -> None:
    image = base64.b64encode(as_image(PIXELS, 1)[0]).decode()
    packed = base64.b64encode(as_msgpack(PIXELS, "a")[0]).decode()
    raw = base64.b64encode(PIXELS.tobytes()).decode()
    batch, rejects = Codec().decode(
        [
            event(data_base64=image, datacontenttype="image/png", label="a"),
            event(data_base64=packed, datacontenttype="application/msgpack"),
            event(data_base64=raw, shape="12,10,3", label="a"),
        ]
    )
    assert (rejects, batch.labels) == ([], ("a", "a", "a"))
    assert all(np.array_equal(each, PIXELS.transpose(2, 0, 1)) for each in batch.inputs.numpy())


def test_a_record_of_a_registry_may_be_the_data_of_an_event() -> None:
    with mock_registry() as registry:
        value = produced(registry.url, "avro").value or b""
        settings = {"codec.fields.input": "readings", "codec.fields.label": "state"}
        codec = make_codec(load_config({"schema_registry.url": registry.url, **settings}))
        data = base64.b64encode(value).decode()
        message = event(data_base64=data, datacontenttype="application/avro")
        registry.asked.clear()
        assert codec.ready([message], timeout_s=0.0)
        assert registry.asked == ["/schemas/ids/1"]
        batch, rejects = codec.decode([message])
    assert (rejects, batch.labels) == ([], (RECORD["state"],))


@pytest.mark.parametrize(
    "message",
    [
        *(event(data=DATA, **{name: None}) for name in EVENT),
        *(event(data=DATA, **{name: 7}) for name in EVENT),
        event(data=DATA, specversion="0.2"),
        event(),
        event(data=DATA, data_base64="AAAA"),
        event(data=DATA, datacontenttype="image/png"),
        event(data=DATA, task=[1]),
        event(data="x", datacontenttype="application/cloudevents+json; x=1"),
        event(data_base64="AAAA", datacontenttype="application/cloudevents+json"),
        Message(b"[1]", "t", 0, 0, headers=(("content-type", b"application/cloudevents+json"),)),
    ],
)
def test_what_is_no_event_is_rejected_as_that(message: Message) -> None:
    assert reason_of(message) in ("envelope", "json")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (event(data={"input": [1]}), "label"),
        (event(data=[1]), "json"),
        (event(data_base64="?"), "value"),
        (event(data_base64="AAAA", datacontenttype="image/gif"), "content_type"),
        (event(("label", b"b"), data={"input": [1]}, label="a"), "headers"),
        (event(data={"input": [1], "label": "a"}, id="x\ny"), "id"),
    ],
)
def test_what_is_wrong_within_an_event_has_its_own_reason(message: Message, reason: str) -> None:
    assert reason_of(message) == reason


@pytest.mark.parametrize(
    "message",
    [
        event(data=DATA, specversion="\ud800"),
        event(data=DATA, specversion="2\n12:00:00 INFO    all is well \x1b[2J\u202e"),
        event(data=DATA, datacontenttype="\ud800"),
        event(data=DATA, datacontenttype="a/b\nc"),
    ],
)
def test_what_is_said_of_an_event_can_be_written_anywhere_whatever_it_quotes(message: Message) -> None:
    (reject,) = Codec().decode([message])[1]
    assert reject.detail.isprintable()
    assert reject.detail.isascii()
    headers = dict(record(reject, True)["headers"])
    assert headers["__streams.errors.message"].decode() == reject.detail


def test_an_event_of_the_sdk_is_read() -> None:
    from cloudevents.v1.conversion import to_structured
    from cloudevents.v1.http import CloudEvent

    made = CloudEvent({"type": "reading", "source": "/press", "label": "a"}, {"input": [1.0, 2.0]})
    headers, value = to_structured(made)
    named = tuple((name, text.encode()) for name, text in headers.items())
    batch, rejects = Codec().decode([Message(value, "t", 0, 0, headers=named)])
    assert (rejects, batch.labels, batch.ids) == ([], ("a",), (f"/press\n{made['id']}",))
