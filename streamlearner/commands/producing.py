"""Sends the examples of files to a Kafka topic or to a running daemon, in their order, at a given rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice

from streamlearner.app import Files
from streamlearner.client import Client, Example, Refused
from streamlearner.config.loading import Config
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Codec
from streamlearner.decoding.inputs import wire_input
from streamlearner.errors import ConfigError, InvalidInput
from streamlearner.registry.sources import FilesSection, KafkaSection
from streamlearner.stream import Message

CHUNK = 100
"""Messages handed over between two looks at the clock, and examples in one pushed request."""
PATIENCE_S = 300.0
"""A daemon whose backlog is full for longer than this does not learn."""
FLUSH_TIMEOUT_S = 120.0


def produce(
    config: Config,
    *,
    to: str,
    limit: int | None,
    examples_per_s: float | None,
    partitions: int,
    client: Client,
) -> int:
    """Sends until the files (or `limit`) end; the number sent. Raises ConfigError for an unknown `to`."""
    messages = islice(read(config), limit)
    if to == "kafka":
        return to_kafka(config, messages, examples_per_s=examples_per_s, partitions=partitions)
    if to == "push":
        return push(messages, client=client, examples_per_s=examples_per_s)
    raise ConfigError(f"--to {to}: expected kafka or push")


def read(config: Config) -> Iterator[Message]:
    """All messages of the configured files."""
    files: FilesSection = config.source.settings_of("files")
    if not files.path and files.format != "digits":
        raise ConfigError(f"source.files.path: not set; name the {files.format} to send, as a path or glob")
    source = Files.build(files)
    source.open(None)
    try:
        while not source.exhausted:
            yield from source.poll(CHUNK, 1.0)
    finally:
        source.close()


def to_kafka(
    config: Config, messages: Iterator[Message], *, examples_per_s: float | None, partitions: int
) -> int:
    """Writes to source.kafka.topic, made with `partitions` where it is absent. All is acknowledged then."""
    from streamlearner.connectors.kafka.writer import KafkaWriter

    kafka: KafkaSection = config.source.settings_of("kafka")
    writer = KafkaWriter(
        bootstrap_servers=kafka.bootstrap_servers,
        topic=kafka.topic,
        partitions=partitions,
        client=kafka.client_options(),
        start_timeout_s=kafka.start_timeout_s,
    )
    sent = 0
    try:
        for chunk in paced(messages, examples_per_s=examples_per_s):
            for message in chunk:
                writer.write(message, now_ms=int(time.time() * 1000))
            sent += len(chunk)
        writer.flush(timeout_s=FLUSH_TIMEOUT_S)
    finally:
        writer.close()
    return sent


def push(
    messages: Iterator[Message],
    *,
    client: Client,
    examples_per_s: float | None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """POST /v1/examples, a few at a time; waits while the daemon says that its backlog is full.

    Raises InvalidInput for an example that the codec refuses, before it is sent; what stood before it was.
    """
    codec, sent = Codec(), 0
    for chunk in paced(messages, examples_per_s=examples_per_s):
        batch, rejects = codec.decode(chunk)
        if rejects:
            raise InvalidInput(rejects[0].reason, f"{rejects[0].message.where()}: {rejects[0].detail}")
        push_patiently(client, bodies(batch), sleep=sleep)
        sent += len(batch)
    return sent


def bodies(batch: Batch) -> list[Example]:
    """The examples as a request holds them."""
    examples: list[Example] = []
    for i, label in enumerate(batch.labels):
        example: Example = {"input": wire_input(batch.inputs[i].numpy()), "label": label}
        if (task := batch.tasks[i]) is not None:
            example["task"] = task
        if (name := batch.ids[i]) is not None:
            example["id"] = name
        examples.append(example)
    return examples


def push_patiently(client: Client, examples: list[Example], *, sleep: Callable[[float], None]) -> None:
    """Posts examples, again while the answer is 429 or 503. Raises Refused where that lasts PATIENCE_S."""
    waited_s = 0.0
    while True:
        try:
            client.push(examples)
            return
        except Refused as error:
            if error.status not in (429, 503) or waited_s >= PATIENCE_S:
                raise
            wait_s = error.retry_after_s or 1.0
        sleep(wait_s)
        waited_s += wait_s


def paced(
    messages: Iterator[Message],
    *,
    examples_per_s: float | None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[Message, ...]]:
    """Chunks of messages, no faster than asked; small ones where the rate is low, so that it looks even."""
    size = CHUNK if examples_per_s is None else max(1, min(CHUNK, int(examples_per_s / 10)))
    started, sent = clock(), 0
    while chunk := tuple(islice(messages, size)):
        if examples_per_s is not None:
            sleep(max(0.0, started + sent / examples_per_s - clock()))
        sent += len(chunk)
        yield chunk
