"""Writing to a real Kafka topic and reading it through the source: what the integration tests share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from streamlearner.connectors.kafka.source import KafkaSource
from streamlearner.stream import Message
from tests.support.patience import Patience, cpu_steps

SEND_S = 90.0
"""For a broker to acknowledge one message."""
Make = Callable[..., str]
Open = Callable[..., KafkaSource]


@contextmanager
def producer(broker: Any, **settings: Any) -> Iterator[KafkaProducer]:
    made = KafkaProducer(
        bootstrap_servers=broker.address, linger_ms=5, reconnect_backoff_max_ms=500, **settings
    )
    try:
        yield made
    finally:
        made.close()


@contextmanager
def admin(broker: Any) -> Iterator[KafkaAdminClient]:
    made = KafkaAdminClient(bootstrap_servers=broker.address, reconnect_backoff_max_ms=500)
    try:
        yield made
    finally:
        made.close()


def make_topic(
    broker: Any, name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None
) -> None:
    """Its messages may be as old as they like: nothing is deleted for its age."""
    with admin(broker) as client:
        settings = {"retention.ms": "-1"} | dict(config or {})
        client.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
        client.wait_for_topics([name])


def produce(broker: Any, topic: str, values: list[bytes], partition: int = 0, **settings: Any) -> None:
    with producer(broker, **settings) as made:
        for i, value in enumerate(values):
            made.send(topic, value, partition=partition, timestamp_ms=1_000 + i)
        made.flush()


def batches(broker: Any, topic: str, values: list[bytes], **settings: Any) -> None:
    """Each value in a batch of its own."""
    with producer(broker, **settings) as made:
        for i, value in enumerate(values):
            made.send(topic, value, partition=0, timestamp_ms=1_000 + i).get(timeout=SEND_S)


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % i for i in range(first, first + count)]


def read(source: KafkaSource, count: int, size: int = 10) -> list[Message]:
    """Polls until `count` messages came, or none comes any more."""
    messages: list[Message] = []
    patience = Patience(still_s=30.0)
    while len(messages) < count and patience.lasts(len(messages), cpu_steps()):
        messages += source.poll(min(size, count - len(messages)), 0.2)
    return messages


def values(messages: list[Message]) -> list[bytes | None]:
    return [message.value for message in messages]


def wait_until(true: Callable[[], bool], poll: Callable[[], object] = lambda: None) -> None:
    patience = Patience()
    while not true():
        assert patience.lasts(cpu_steps()), f"did not come true; {patience}"
        poll()
        time.sleep(0.02)
