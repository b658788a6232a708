"""The codec's refusals: one bad message of each kind, and the reason it must carry."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import msgpack
import numpy as np
import pytest
from PIL import Image

from streamlearner.decoding.codec import REASONS, Codec
from streamlearner.decoding.inputs import Limits
from streamlearner.stream import Message, Reject


def message(value: bytes | None, offset: int = 0, /, **headers: str | bytes) -> Message:
    """Keywords are headers; `_` stands for `-` in content_type only."""
    named = {("content-type" if name == "content_type" else name): text for name, text in headers.items()}
    encoded = tuple(
        (name, text if isinstance(text, bytes) else text.encode()) for name, text in named.items()
    )
    return Message(value, "t", 0, offset, headers=encoded)


def json_message(body: Any, **headers: str | bytes) -> Message:
    return message(json.dumps(body).encode(), content_type="application/json", **headers)


def rejected(record: Message, codec: Codec) -> Reject:
    batch, rejects = codec.decode([record])
    assert (len(batch), len(rejects)) == (0, 1)
    assert rejects[0].message is record
    assert rejects[0].reason in REASONS
    assert len(rejects[0].detail) < 400
    return rejects[0]


def png(height: int, width: int) -> bytes:
    file = BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


GOOD_BODY = {"input": [1, 2], "label": 1}
REJECTS: list[tuple[str, Message]] = [
    ("empty", message(b"", shape="1", label="1")),
    ("too_large", message(bytes(1001), shape="1001", label="1")),
    ("headers", message(b"12", label="1")),
    ("headers", message(b"12", shape="2", label="1", ce_label="2")),
    ("content_type", message(b"12", content_type="image/gif", label="1")),
    ("content_type", message(b"12", content_type=b"\xff\xfe", label="1")),
    ("json", message(b"{", content_type="application/json")),
    ("json", message(b'{"input": [NaN], "label": 1}', content_type="application/json")),
    ("json", message(b'{"input": [1], "label": "\xff"}', content_type="application/json")),
    ("json", message(b'{"input":' + b"[" * 900, content_type="application/json")),
    ("json", json_message([1, 2])),
    ("json", json_message({"label": 1})),
    ("msgpack", message(b"\xc1", content_type="application/msgpack")),
    ("msgpack", message(msgpack.packb(GOOD_BODY) + b"\x00", content_type="application/msgpack")),
    (
        "msgpack",
        message(
            msgpack.packb({**GOOD_BODY, "x": msgpack.ExtType(5, b"x")}), content_type="application/msgpack"
        ),
    ),
    ("msgpack", message(b"\xdd\xff\xff\xff\xff", content_type="application/msgpack")),
    ("msgpack", message(msgpack.packb({1: 2, "input": [1]}), content_type="application/msgpack")),
    ("image", message(b"GIF89a", content_type="image/png", label="1")),
    ("pixels", message(png(11, 10), content_type="image/png", label="1")),
    ("shape", message(b"12", shape="2000000000,2000000000,2000000000", label="1")),
    ("shape", message(b"12", shape="0,2", label="1")),
    ("shape", message(b"12", shape="two", label="1")),
    ("shape", message(b"12", shape="1,1,1,2", label="1")),
    ("dtype", message(b"12", shape="1", dtype="int16", label="1")),
    ("dtype", message(b"1234", shape="1", dtype=">f4", label="1")),
    ("value", message(np.float32(np.nan).tobytes(), shape="1", dtype="float32", label="1")),
    ("label", message(b"12", shape="2")),
    ("label", message(b"12", shape="2", label=b"\xff")),
    ("label", json_message({"input": [1, 2], "label": 3.5})),
    ("label", json_message({"input": [1, 2], "label": {"colour": ["red"]}})),
    ("task", json_message({**GOOD_BODY, "task": [1]})),
    ("task", message(b"12", shape="2", label="1", task="")),
    ("id", json_message({**GOOD_BODY, "id": True})),
    ("id", message(b"12", shape="2", label="1", id="a\x00")),
    ("erase", message(b"", erase="everything")),
    ("erase", message(b"", erase="id")),
    ("erase", message(b"", erase="label", id="a")),
    ("erase", json_message({"erase": "task", "label": "a"})),
    ("erase", json_message({"erase": ["id"], "id": "a"})),
    ("id", json_message({"erase": "id", "id": ""})),
    ("label", message(b"12", shape="2", erase="id", id="a")),
    ("too_large", message(bytes(1001), erase="id", id="a")),
]


@pytest.mark.parametrize(
    ("reason", "record"), REJECTS, ids=[f"{n}-{reason}" for n, (reason, _) in enumerate(REJECTS)]
)
def test_each_kind_of_bad_message_has_its_reason(reason: str, record: Message) -> None:
    assert rejected(record, Codec(limits=Limits(message_bytes=1000, pixels=100))).reason == reason


def test_every_reason_but_schema_and_classes_is_shown_by_an_example_above() -> None:
    of_the_daemon = {"schema", "classes", "tasks", "learning_failed"}
    of_a_registry = {"envelope", "record", "registry"}  # see test_schema_registry, test_cloud_events
    assert {reason for reason, _ in REJECTS} | of_the_daemon | of_a_registry == set(REASONS)
    assert len(set(REASONS)) == len(REASONS)


def test_a_header_without_a_value_is_an_empty_one() -> None:
    record = Message(b"1", "t", 0, 0, headers=(("shape", b"1"), ("label", None)))  # type: ignore[arg-type]
    assert rejected(record, Codec()).reason == "label"


def test_messagepack_holds_no_list_longer_than_65_536() -> None:
    def packed(items: int) -> Message:
        body = msgpack.packb({"input": [7] * items, "label": 1})
        return message(body, content_type="application/msgpack")

    batch, rejects = Codec().decode([packed(2**16)])
    assert (len(batch), rejects) == (1, [])
    assert rejected(packed(2**16 + 1), Codec()).reason == "msgpack"


def test_messagepack_is_parsed_with_no_list_longer_than_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(msgpack, "unpackb", lambda value, **options: given.update(options) or GOOD_BODY)
    batch, _ = Codec().decode([message(b"\xdd" + bytes(9), content_type="application/msgpack")])
    assert len(batch) == 1
    assert (given["max_array_len"], given["max_map_len"]) == (10, 10)


def test_json_nested_beyond_any_stack_is_rejected() -> None:
    value = b'{"label": 1, "input":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    assert rejected(message(value, content_type="application/json"), Codec()).reason in ("json", "shape")
