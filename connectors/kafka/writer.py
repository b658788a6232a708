"""Writes messages to a topic, in order: what `streamlearner produce` and the tests fill a stream with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streamlearner.connectors.kafka.client import admin_options, consumer_options, producer_options
from streamlearner.errors import SourceError, SourceUnreachable
from streamlearner.stream import Message


class KafkaWriter:
    """Sends to `topic`, round robin over its partitions, with timestamps that rise by at least a millisecond
    from message to message, so that a source that merges partitions by timestamp gives back this very order.

    Creates the topic with `partitions` where it does not exist. Raises SourceUnreachable without a broker,
    SourceError where a message was not acknowledged.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        topic: str,
        partitions: int,
        client: Mapping[str, Any],
        start_timeout_s: float,
    ) -> None:
        options = producer_options(bootstrap_servers, client) | {"linger_ms": 20, "batch_size": 256 * 1024}
        options["bootstrap_timeout_ms"] = int(start_timeout_s * 1000)
        self._topic = topic
        self._last_ms = 0
        self._sent = 0
        self._failures: list[BaseException] = []
        try:
            self._create(consumer_options(bootstrap_servers, client), partitions)
            self._producer = KafkaProducer(**options)
            self._partitions = sorted(self._producer.partitions_for(topic))
        except KafkaError as error:
            raise SourceUnreachable(
                f"kafka at {bootstrap_servers}: topic {topic} cannot be written: {error!r}"
            ) from error

    def _create(self, options: Mapping[str, Any], partitions: int) -> None:
        admin = KafkaAdminClient(**admin_options(options))
        try:
            admin.create_topics([NewTopic(self._topic, partitions, replication_factor=1)])
        except TopicAlreadyExistsError:
            pass
        finally:
            admin.close()

    def write(self, message: Message, *, now_ms: int) -> None:
        """Hands over one message; durable after `flush`."""
        self._last_ms = max(self._last_ms + 1, now_ms)
        sent = self._producer.send(
            self._topic,
            value=message.value,
            key=message.key,
            headers=list(message.headers),
            partition=self._partitions[self._sent % len(self._partitions)],
            timestamp_ms=self._last_ms,
        )
        sent.add_errback(self._failures.append)
        self._sent += 1

    def flush(self, *, timeout_s: float) -> None:
        """Returns once every message is acknowledged by the broker."""
        try:
            self._producer.flush(timeout=timeout_s)
        except KafkaError as error:
            self._failures.append(error)
        if self._failures:
            raise SourceError(f"topic {self._topic}: a message was not acknowledged: {self._failures[0]!r}")

    def close(self) -> None:
        self._producer.close(timeout=5)
