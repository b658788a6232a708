"""Sends the examples of files to a Kafka topic or to a running daemon, in their order, at a given rate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from connectors.kafka_writer import KafkaWriter
from streamlearner.app import client_options, files_source
from streamlearner.client import Client
from streamlearner.codec import Codec
from streamlearner.config import Config
from streamlearner.errors import ConfigError
from streamlearner.inputs import wire_input
from streamlearner.stream import Message

CHUNK = 100
"""Messages handed over between two looks at the clock, and examples in one pushed request."""


def produce(
    config: Config, *, to: str, limit: int | None, examples_per_s: float | None, partitions: int, address: str
) -> int:
    """Sends until the files (or `limit`) end; the number sent. Raises ConfigError for an unknown `to`."""
    messages = islice(read(config), limit)
    if to == "kafka":
        return _to_kafka(config, messages, examples_per_s=examples_per_s, partitions=partitions)
    if to == "push":
        return push(messages, client=Client(address), examples_per_s=examples_per_s)
    raise ConfigError(f"--to {to}: expected kafka or push")


def read(config: Config) -> Iterator[Message]:
    """All messages of the configured files."""
    source = files_source(config)
    source.open(None)
    try:
        while not source.exhausted:
            yield from source.poll(CHUNK, 1.0)
    finally:
        source.close()


def _to_kafka(config: Config, messages: Iterator[Message], *, examples_per_s: float | None, partitions: int) -> int:
    kafka = config.source.kafka
    writer = KafkaWriter(
        bootstrap_servers=kafka.bootstrap_servers,
        topic=kafka.topic,
        partitions=partitions,
        client=client_options(kafka.client),
        start_timeout_s=kafka.start_timeout_s,
    )
    sent = 0
    try:
        for chunk in paced(messages, examples_per_s=examples_per_s):
            for message in chunk:
                writer.write(message, now_ms=int(time.time() * 1000))
            sent += len(chunk)
        writer.flush(timeout_s=120)
    finally:
        writer.close()
    return sent


def push(messages: Iterator[Message], *, client: Client, examples_per_s: float | None) -> int:
    """POST /v1/examples, a few at a time. What the codec refuses is refused here, before it is sent."""
    codec, sent = Codec(), 0
    for chunk in paced(messages, examples_per_s=examples_per_s):
        batch, rejects = codec.decode(chunk)
        if rejects:
            raise ConfigError(f"{rejects[0].message.where()}: {rejects[0].detail}")
        examples: list[dict[str, Any]] = []
        for i, label in enumerate(batch.labels):
            named = {"task": batch.tasks[i], "id": batch.ids[i]}
            example = {"input": wire_input(batch.inputs[i].numpy()), "label": label}
            examples.append(example | {name: value for name, value in named.items() if value is not None})
        client.post("/v1/examples", {"examples": examples})
        sent += len(batch)
    return sent


def paced(messages: Iterator[Message], *, examples_per_s: float | None) -> Iterator[tuple[Message, ...]]:
    """Chunks of messages, no faster than asked; small ones where the rate is low, so that it looks even."""
    size = CHUNK if examples_per_s is None else max(1, min(CHUNK, int(examples_per_s / 10)))
    started, sent = time.monotonic(), 0
    while chunk := tuple(islice(messages, size)):
        if examples_per_s is not None:
            time.sleep(max(0.0, started + sent / examples_per_s - time.monotonic()))
        sent += len(chunk)
        yield chunk
