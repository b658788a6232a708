"""Appends messages to a topic from any thread, durable when it returns: what replicas of a cluster take."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from streamlearner.connectors.kafka.client import closing_quietly, producer_options
from streamlearner.errors import SourceError
from streamlearner.stream import Message


class TooLargeForTopic(SourceError):
    """A message is larger than the topic, or the client, takes."""


class KafkaAppender:
    """Connects at the first message, and anew after a failure: one message that the broker finds too large
    ends an idempotent producer for good. Messages of equal keys go to the same partition.

    `client` holds kafka-python options, the same as the source's.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        topic: str,
        client: Mapping[str, Any],
        timeout_s: float = 10.0,
        build: Callable[..., Any] = KafkaProducer,
    ) -> None:
        limit_ms = int(timeout_s * 1000)
        self._options = producer_options(bootstrap_servers, client) | {
            "acks": "all",
            "allow_auto_create_topics": False,
            "bootstrap_timeout_ms": limit_ms,
            "max_block_ms": limit_ms,
            "request_timeout_ms": limit_ms // 2,
            "delivery_timeout_ms": limit_ms,
        }
        self.topic, self._timeout_s, self._build = topic, timeout_s, build
        self._lock, self._producer = threading.Lock(), None

    def append(self, messages: Sequence[Message]) -> dict[int, int]:
        """Of each partition that got any, the offset after the last. Raises TooLargeForTopic, and SourceError
        where not all were acknowledged in time: any of them may be durable all the same."""
        until_s, found = time.monotonic() + self._timeout_s, dict[int, int]()
        try:
            producer = self._connected()
        except KafkaError as error:
            raise SourceError(f"topic {self.topic}: no broker answers: {_said(error)}") from error
        try:
            sent = [producer.send(self.topic, **_record(message)) for message in messages]
            for future in sent:
                done = future.get(timeout=max(0.001, until_s - time.monotonic()))
                found[done.partition] = max(done.offset + 1, found.get(done.partition, 0))
        except MessageSizeTooLargeError as error:
            self._discard(producer)
            raise TooLargeForTopic(f"topic {self.topic} does not take so much: {_said(error)}") from error
        except KafkaError as error:
            self._discard(producer)
            told = f"topic {self.topic} has not acknowledged all {len(messages)}, though it may have some"
            raise SourceError(f"{told}: {_said(error)}") from error
        return found

    def close(self) -> None:
        """Safe to call twice."""
        with self._lock:
            gone, self._producer = self._producer, None
        if gone is not None:
            with closing_quietly(f"the producer for topic {self.topic}"):
                gone.close(timeout=1.0)

    def _connected(self) -> Any:
        with self._lock:
            if self._producer is None:
                self._producer = self._build(**self._options)
            return self._producer

    def _discard(self, producer: Any) -> None:
        """Whoever else waits for it is told of the failure, too."""
        with self._lock:
            if self._producer is producer:
                self._producer = None
        with contextlib.suppress(Exception):
            producer.close(timeout=0)


def _record(message: Message) -> dict[str, Any]:
    return {
        "value": message.value,
        "key": message.key,
        "headers": list(message.headers),
        "timestamp_ms": message.timestamp_ms,
    }


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
