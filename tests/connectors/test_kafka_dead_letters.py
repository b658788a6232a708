"""Dead letters in a topic: what a record holds; nothing counts as written before the broker has it."""

from __future__ import annotations

from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from streamlearner.connectors.dead_letters import DeadLettersNotDurable
from streamlearner.connectors.kafka.dead_letters import KafkaDeadLetters
from streamlearner.errors import SourceUnreachable
from tests.support.rejects import reject


class FakeFuture:
    def __init__(self) -> None:
        self.is_done = False
        self.exception: Exception | None = None

    def failed(self) -> bool:
        return self.is_done and self.exception is not None


class FakeProducer:
    """Acknowledges at `flush` what `refusal` does not refuse; `send` raises `blocked` where it is set."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.blocked: Exception | None = None
        self.limit_bytes = 10**9
        self.waiting: list[tuple[dict[str, Any], FakeFuture]] = []
        self.durable: list[dict[str, Any]] = []
        self.away = False

    def send(self, topic: str, **record: Any) -> FakeFuture:
        if self.blocked:
            raise self.blocked
        future = FakeFuture()
        self.waiting.append(({"topic": topic, **record}, future))
        return future

    def flush(self, timeout: float) -> None:
        if self.away:
            raise KafkaTimeoutError("flush timed out")
        for record, future in self.waiting:
            future.is_done = True
            if len(record["value"] or b"") > self.limit_bytes:
                future.exception = MessageSizeTooLargeError("too large")
            else:
                self.durable.append(record)
        self.waiting.clear()

    def close(self, timeout: float) -> None:
        self.waiting.clear()


class Ticks:
    """A clock that moves 0.1 s whenever it is read."""

    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 0.1
        return self.now_s


def kafka_letters(**settings: Any) -> tuple[KafkaDeadLetters, FakeProducer]:
    made: list[FakeProducer] = []

    def build(**options: Any) -> FakeProducer:
        made.append(FakeProducer(**options))
        return made[0]

    letters = KafkaDeadLetters(bootstrap_servers="a:1", topic="dead", clock=Ticks(), build=build, **settings)
    return letters, made[0]


def test_a_kafka_letter_is_the_original_record_with_the_error_headers_added() -> None:
    letters, producer = kafka_letters()
    letters.write([reject()])
    letters.flush(1.0)
    (record,) = producer.durable
    assert (record["topic"], record["value"], record["key"]) == ("dead", b"\x00raw\xff", b"k")
    assert record["headers"][:2] == [("h", b"\xfe"), ("h", b"2")]
    assert dict(record["headers"][2:]) == {
        "__streams.errors.exception": b"schema",
        "__streams.errors.message": b"expected [1, 28, 28]",
        "__streams.errors.topic": b"t",
        "__streams.errors.partition": b"2",
        "__streams.errors.offset": b"7",
    }


def test_a_body_that_is_or_proves_too_large_is_left_out() -> None:
    letters, producer = kafka_letters(max_body_bytes=10)
    producer.limit_bytes = 5
    letters.write([reject(value=b"x" * 11), reject(value=b"y" * 6), reject(value=None, key=None)])
    letters.flush(5.0)
    sizes = [dict(r["headers"]).get("streamlearner.body.size") for r in producer.durable]
    assert sorted(sizes, key=str) == sorted([b"11", b"6", None], key=str)
    assert all(r["value"] == b"" for r in producer.durable)
    assert [r for r in producer.durable if ("streamlearner.body.null", b"true") in r["headers"]]


def test_letters_of_a_broker_that_is_away_are_kept_and_delay_the_flush_only() -> None:
    letters, producer = kafka_letters()
    producer.blocked = KafkaTimeoutError("no metadata")
    letters.write([reject(1)])
    letters.write([reject(2)])
    with pytest.raises(DeadLettersNotDurable, match=r"2 dead letters.*no metadata"):
        letters.flush(1.0)
    producer.blocked, producer.away = None, True
    with pytest.raises(DeadLettersNotDurable, match="2 dead letters"):
        letters.flush(1.0)
    producer.away = False
    letters.flush(1.0)
    letters.close()
    assert [dict(r["headers"])["__streams.errors.offset"] for r in producer.durable] == [b"1", b"2"]


def test_no_broker_at_start_is_unreachable() -> None:
    def build(**options: Any) -> FakeProducer:
        raise KafkaTimeoutError("Unable to bootstrap")

    with pytest.raises(SourceUnreachable, match="dead letters"):
        KafkaDeadLetters(bootstrap_servers="a:1", topic="dead", build=build)


def test_closing_without_a_broker_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Away:
        def close(self, timeout: float) -> None:
            raise KafkaTimeoutError("still 3 in flight")

    letters = KafkaDeadLetters(bootstrap_servers="127.0.0.1:1", topic="d", build=lambda **_: Away())
    letters.close()
    assert "the producer of dead letters was not closed in order: KafkaTimeoutError" in caplog.text


def test_what_waits_for_a_broker_is_told_in_bytes_until_it_is_acknowledged() -> None:
    letters, producer = kafka_letters()
    assert letters.waiting_bytes == 0
    producer.blocked = KafkaTimeoutError("no metadata")
    letters.write([reject(n, value=bytes(10_000)) for n in range(5)])
    assert 50_000 <= letters.waiting_bytes < 60_000
    producer.blocked, producer.away = None, True
    with pytest.raises(DeadLettersNotDurable):
        letters.flush(1.0)
    assert 50_000 <= letters.waiting_bytes < 60_000
    producer.away = False
    letters.flush(1.0)
    assert letters.waiting_bytes == 0
