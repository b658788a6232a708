"""Change events of Debezium: rows are examples, an update corrects, a delete erases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamlearner.app.codec import make_codec
from streamlearner.config.given import load_config
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Codec, Schema
from streamlearner.stream import Message, Reject

ROW = {"number": 7, "temperature": 61.5, "vibration": 0.2, "state": "sound", "note": "-"}
WORN = ROW | {"state": "worn"}
FIELDS = {
    "codec.fields.input": ["temperature", "vibration"],
    "codec.fields.label": "state",
    "codec.fields.id": "number",
}


def change(op: Any, before: Any = None, after: Any = None, *, wrapped: bool = False) -> Message:
    event = {"before": before, "after": after, "source": {"ts_ms": 1}, "op": op, "ts_ms": 2}
    body = {"schema": {"type": "struct"}, "payload": event} if wrapped else event
    headers = (("content-type", b"application/json"),)
    return Message(json.dumps(body).encode(), "plant.machines", 0, 5, key=b"7", headers=headers)


def decoded(*messages: Message, schema: Schema | None = None) -> tuple[Batch, list[Reject]]:
    codec: Codec = make_codec(load_config({"codec.envelope": "debezium", **FIELDS}))
    codec.schema = schema
    return codec.decode(messages)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("op", ["c", "r"])
def test_a_row_is_an_example(op: str, wrapped: bool) -> None:
    batch, rejects = decoded(change(op, after=ROW, wrapped=wrapped))
    assert (rejects, batch.labels, batch.ids, batch.erasures) == ([], ("sound",), ("7",), ())
    assert batch.inputs.tolist() == [[61.5, pytest.approx(0.2)]]


@pytest.mark.parametrize("before", [None, {"number": 7}, ROW])
def test_an_update_is_an_example_that_takes_the_place_of_the_one_before(before: Any) -> None:
    batch, rejects = decoded(change("u", before, WORN))
    assert (rejects, batch.labels, batch.ids) == ([], ("worn",), ("7",))
    ((place, erasure),) = batch.erasures
    assert (place, erasure.id, erasure.corrects, erasure.where) == (0, "7", True, "plant.machines[0]@5")
    if before == ROW:
        assert erasure.input_label == "sound"


def test_an_update_that_changes_nothing_of_the_example_corrects_nothing() -> None:
    batch, _ = decoded(change("u", ROW, ROW | {"note": "painted"}))
    assert (len(batch), batch.erasures) == (1, ())


@pytest.mark.parametrize("before", [None, {"number": 7}, ROW])
def test_an_update_that_takes_the_label_away_takes_the_example_back_until_there_is_one_again(
    before: Any,
) -> None:
    batch, rejects = decoded(change("u", before, ROW | {"state": None}))
    assert (rejects, len(batch)) == ([], 0)
    ((_, erasure),) = batch.erasures
    assert (erasure.id, erasure.corrects, erasure.replaced) == ("7", True, False)
    assert erasure.input_label == ("sound" if before == ROW else None)


def test_an_update_of_a_row_that_had_no_label_is_as_without_one_as_its_insert() -> None:
    bare = ROW | {"state": None}
    batch, rejects = decoded(change("u", bare, bare | {"temperature": 70.0}))
    assert ([reject.reason for reject in rejects], batch.erasures) == (["label"], ())


@pytest.mark.parametrize(("before", "carries"), [(ROW, True), ({"number": 7}, False)])
def test_a_delete_is_an_erasure_by_the_key_of_the_row(before: dict[str, Any], carries: bool) -> None:
    batch, rejects = decoded(change("d", before))
    assert (rejects, len(batch)) == ([], 0)
    ((_, erasure),) = batch.erasures
    assert (erasure.id, erasure.corrects, erasure.input is not None) == ("7", False, carries)


def test_a_delete_of_a_row_of_another_shape_carries_no_example() -> None:
    batch, _ = decoded(change("d", ROW), schema=Schema((3,), "float32"))
    assert batch.erasures[0][1].input is None


@pytest.mark.parametrize("op", ["t", "m"])
def test_a_change_of_no_row_is_counted_as_a_tombstone(op: str) -> None:
    batch, rejects = decoded(change(op))
    assert (rejects, len(batch), batch.erasures, batch.tombstones) == ([], 0, (), 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (change("x", after=ROW), "envelope"),
        (change(None, after=ROW), "envelope"),
        (change(["c"], after=ROW), "envelope"),
        (change("c"), "envelope"),
        (change("d"), "envelope"),
        (change("u", ROW, [1]), "envelope"),
        (change("c", after=ROW | {"state": None}), "label"),
        (change("c", after={"number": 7, "state": "sound"}), "json"),
        (change("d", {"state": "sound"}), "id"),
        (change("u", None, {name: WORN[name] for name in WORN if name != "number"}), "id"),
        (change("u", ROW, WORN | {"temperature": "hot"}), "value"),
    ],
)
def test_what_is_no_change_of_an_example_is_rejected(message: Message, reason: str) -> None:
    batch, rejects = decoded(message)
    assert ([reject.reason for reject in rejects], len(batch), batch.erasures) == ([reason], 0, ())


def test_kafka_connects_schema_and_payload_are_taken_off() -> None:
    codec = make_codec(load_config({"codec.envelope": "connect", **FIELDS}))
    wrapped = json.dumps({"schema": {"type": "struct"}, "payload": ROW}).encode()
    headers = (("content-type", b"application/json"),)
    messages = [Message(value, "t", 0, 0, headers=headers) for value in (wrapped, json.dumps(ROW).encode())]
    batch, rejects = codec.decode(messages)
    assert (rejects, batch.labels) == ([], ("sound", "sound"))


def test_without_the_setting_an_envelope_is_a_record_like_any() -> None:
    codec = make_codec(load_config({"codec.fields.input": ["after.temperature"], "codec.fields.label": "op"}))
    batch, rejects = codec.decode([change("d", after=ROW)])
    assert (rejects, batch.labels) == ([], ("d",))
