"""Appending to a topic: durable when it returns, and a failure is the failure of that call alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from kafka import KafkaConsumer
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from streamlearner.connectors.kafka.appender import KafkaAppender, TooLargeForTopic
from streamlearner.errors import SourceError
from streamlearner.stream import Message


class Place(NamedTuple):
    partition: int
    offset: int


class Acknowledged:
    def __init__(self, outcome: Place | Exception) -> None:
        self._outcome = outcome

    def get(self, timeout: float) -> Place:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Producer:
    """Answers each message with the next outcome."""

    def __init__(self, *outcomes: Place | Exception) -> None:
        self.outcomes, self.sent, self.closed = list(outcomes), [], False  # type: ignore[var-annotated]

    def send(self, topic: str, **record: Any) -> Acknowledged:
        self.sent.append((topic, record))
        return Acknowledged(self.outcomes.pop(0))

    def close(self, timeout: float) -> None:
        self.closed = True


def appender(*producers: Producer | Exception) -> KafkaAppender:
    waiting = list(producers)

    def build(**options: Any) -> Producer:
        assert options["acks"] == "all"
        made = waiting.pop(0)
        if isinstance(made, Exception):
            raise made
        return made

    return KafkaAppender(bootstrap_servers="127.0.0.1:1", topic="examples", client={}, build=build)


def message(value: bytes, key: bytes | None = None) -> Message:
    return Message(value, "", 0, 0, key=key, headers=(("label", b"3"),), timestamp_ms=5)


def test_it_tells_how_far_each_partition_reaches_then() -> None:
    producer = Producer(Place(0, 7), Place(2, 1), Place(0, 8))
    ends = appender(producer).append([message(b"a"), message(b"b"), message(b"c", key=b"id")])
    assert ends == {0: 9, 2: 2}
    assert producer.sent[-1] == (
        "examples",
        {"value": b"c", "key": b"id", "headers": [("label", b"3")], "timestamp_ms": 5},
    )


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(KafkaTimeoutError("no answer"), SourceError), (MessageSizeTooLargeError(), TooLargeForTopic)],
)
def test_after_a_failure_it_connects_anew(failure: Exception, kind: type[SourceError]) -> None:
    first, second = Producer(Place(0, 0), failure), Producer(Place(0, 1))
    made = appender(first, second)
    with pytest.raises(kind, match="examples"):
        made.append([message(b"a"), message(b"b")])
    assert first.closed
    assert made.append([message(b"b")]) == {0: 2}


def test_no_broker_is_told_and_tried_for_again() -> None:
    made = appender(KafkaTimeoutError("no metadata"), Producer(Place(0, 0)))
    with pytest.raises(SourceError, match="no broker answers"):
        made.append([message(b"a")])
    assert made.append([message(b"a")]) == {0: 1}


@pytest.mark.broker
def test_a_real_broker_has_what_it_returned_and_equal_keys_in_one_partition(
    broker: Any, topic: Callable[..., str]
) -> None:
    name = topic(partitions=3)
    made = KafkaAppender(bootstrap_servers=broker.address, topic=name, client={})
    sent = [message(b"%d" % number, key=b"one") for number in range(3)]
    (partition,) = made.append(sent[:2])
    assert made.append(sent[2:]) == {partition: 3}
    with pytest.raises(TooLargeForTopic):
        made.append([message(bytes(2_000_000))])
    assert sum(made.append([message(b"4")]).values()) >= 1
    made.close()
    end = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 10_000}
    reader = KafkaConsumer(name, bootstrap_servers=broker.address, **end)
    values = [next(reader).value for _ in range(4)]
    assert sorted(values) == [b"0", b"1", b"2", b"4"]
    reader.close()
