"""Examples that come as rows stand in the log as those that come one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import torch

from streamlearner.app.cluster_writes import TopicWrites
from streamlearner.app.outside import push_records
from streamlearner.connectors.push.log import PushLog
from streamlearner.connectors.push.records import PushRecord
from streamlearner.decoding.codec import Codec
from streamlearner.decoding.inputs import wire_input
from streamlearner.stream import Message

LABELS: list[Any] = ["cat", 3, {"shape": "cube", "hue": 4}, "cat"]
TASKS, IDS = ["odd", None, "odd", None], ["a", None, "c", "\u00e9"]


def rows(array: np.ndarray[Any, Any]) -> bytes:
    body = {"inputs": array.tobytes(), "shape": list(array.shape), "dtype": array.dtype.name}
    packed: bytes = msgpack.packb(body | {"labels": LABELS, "tasks": TASKS, "ids": IDS})
    return packed


def one_by_one(array: np.ndarray[Any, Any]) -> list[PushRecord]:
    named = zip(array, LABELS, TASKS, IDS, strict=True)
    bodies = [
        {"input": {"b64": None}, "label": label, "task": task, "id": id} for _, label, task, id in named
    ]
    for body, one in zip(bodies, array, strict=True):
        shown = one if one.ndim == 1 else one[None] if one.ndim == 2 else one.transpose(2, 0, 1)
        body["input"] = wire_input(shown)
    return push_records([Codec().decode_example(body) for body in bodies])


def stored(path: Path, records: list[PushRecord]) -> list[Message]:
    with PushLog(path) as log:
        log.append([replace(record, timestamp_ms=0) for record in records])
        return log.read(log.begin, 10, topic="push")


@pytest.mark.parametrize(
    "array",
    [
        np.linspace(-2, 2, 20, dtype=np.float32).reshape(4, 5),
        np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2),
        np.arange(4 * 3 * 2 * 3, dtype=np.uint8).reshape(4, 3, 2, 3),
    ],
    ids=["vectors", "grey", "colour"],
)
def test_rows_are_the_messages_that_they_would_be_one_by_one(
    tmp_path: Path, array: np.ndarray[Any, Any]
) -> None:
    found = stored(tmp_path / "rows", push_records(Codec().decode_rows(rows(array), most=10)))
    batch, rejects = Codec().decode(found)
    expected, _ = Codec().decode(stored(tmp_path / "each", one_by_one(array)))
    assert not rejects
    assert torch.equal(batch.inputs, expected.inputs)
    assert (batch.labels, batch.tasks, batch.ids) == (expected.labels, expected.tasks, expected.ids)
    assert [message.value for message in found] == [one.tobytes() for one in array]


def test_of_rows_one_is_erased_by_its_id_before_it_was_read(tmp_path: Path) -> None:
    array = np.zeros((4, 5), np.float32)
    with PushLog(tmp_path / "log") as log:
        log.append(push_records(Codec().decode_rows(rows(array), most=10)))
        log.begin_reading(log.begin)
        receipt = log.erase(
            PushRecord(b"", headers=(("erase", b"id"), ("id", "\u00e9".encode()))),
            header=("id", "\u00e9".encode()),
        )
        assert receipt.blanked == 1


def test_a_record_without_headers_has_its_id_all_the_same(tmp_path: Path) -> None:
    (found,) = stored(tmp_path / "log", [PushRecord(b"x", id="a")])
    assert found.headers == (("id", b"a"),)


class Appender:
    """A topic that remembers."""

    topic = "examples"

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def append(self, messages: list[Message]) -> dict[int, int]:
        self.messages += messages
        return {0: len(self.messages)}


def test_rows_that_go_to_a_topic_have_their_ids_in_it() -> None:
    topic, array = Appender(), np.zeros((4, 5), np.float32)
    receipt = TopicWrites(topic).ingest(Codec().decode_rows(rows(array), most=10))  # type: ignore[arg-type]
    batch, _ = Codec().decode(topic.messages)
    assert (receipt.accepted, batch.ids, batch.labels) == (4, tuple(IDS), tuple(LABELS))
    assert [message.key for message in topic.messages] == [id and id.encode() for id in IDS]
