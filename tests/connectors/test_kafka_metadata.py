"""What the broker is asked, and when: its offsets each second, the topic itself more seldom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError
from kafka.protocol.consumer import IsolationLevel, OffsetSpec

from streamlearner.connectors.kafka.metadata import MetadataPoller


@dataclass
class FakeAdmin:
    """A broker with one topic of one partition, which counts how often it is asked for what."""

    topic_id: str = "first"
    begin: int = 0
    end: int = 10
    written: int = 10
    away: bool = False
    described: int = 0
    listed: int = 0
    specs: list[Any] = field(default_factory=list)

    def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        self.answers()
        self.described += 1
        return [{"error_code": 0, "topic_id": self.topic_id, "partitions": [{"partition_index": 0}]}]

    def list_partition_offsets(
        self, wanted: Mapping[TopicPartition, Any], isolation: IsolationLevel, timeout_ms: int
    ) -> dict[TopicPartition, Any]:
        self.answers()
        self.listed += 1
        uncommitted = isolation is IsolationLevel.READ_UNCOMMITTED
        end = self.written if uncommitted else self.end
        offsets = {name: self.begin if spec is OffsetSpec.EARLIEST else end for name, spec in wanted.items()}
        return {name: type("Found", (), {"offset": offset})() for name, offset in offsets.items()}

    def answers(self) -> None:
        if self.away:
            raise KafkaTimeoutError("away")

    def close(self) -> None: ...


class Asked:
    """A poller with the shipped half minute, and its clock."""

    def __init__(self) -> None:
        self.admin, self.now_s = FakeAdmin(), 0.0
        self.poller = MetadataPoller(
            topic="t", options={}, isolation_level="read_committed", group_id=None, every_s=1.0,
            describe_every_s=30.0, clock=lambda: self.now_s, build=lambda: self.admin,
        )  # fmt: skip
        self.poller.ask()

    def look(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.now_s += 1.0
            self.poller.look()

    @property
    def topic_id(self) -> str:
        assert self.poller.answer is not None
        return self.poller.answer.topic_id


def test_offsets_are_asked_for_each_second_and_the_topic_each_half_minute() -> None:
    asked = Asked()
    listed = asked.admin.listed
    asked.look(29)
    assert asked.admin.described == 1
    assert asked.admin.listed == 30 * listed
    assert asked.poller.answer is not None and asked.poller.answer.at_s == 29.0
    asked.look(31)
    assert asked.admin.described == 3


@pytest.mark.parametrize("change", [{"end": 4, "written": 4}, {"begin": -1}])
def test_a_topic_that_went_back_is_asked_at_once_which_one_it_is(change: dict[str, int]) -> None:
    asked = Asked()
    asked.look(3)
    for name, value in (change | {"topic_id": "second"}).items():
        setattr(asked.admin, name, value)
    asked.look()
    assert asked.topic_id == "second"


def test_a_broker_that_was_away_is_asked_for_everything_when_it_is_back() -> None:
    asked = Asked()
    asked.look(3)
    asked.admin.away, asked.admin.topic_id = True, "second"
    with pytest.raises(KafkaTimeoutError):
        asked.look()
    assert asked.topic_id == "first"
    asked.admin.away = False
    asked.look()
    assert asked.topic_id == "second"


def test_what_is_written_and_not_stable_is_held_back() -> None:
    asked = Asked()
    assert asked.poller.answer is not None and asked.poller.answer.held == {}
    asked.admin.written = 13
    asked.look()
    assert asked.poller.answer.held == {0: 3}
    asked.admin.end = 14  # more was written between the questions
    asked.look()
    assert asked.poller.answer.held == {}
