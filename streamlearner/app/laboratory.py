"""What the bench is handed: daemons of this very code, and data sets."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import numpy as np

from connectors.kafka import KafkaSource
from connectors.kafka_writer import KafkaWriter
from connectors.memory import MemorySource
from streamlearner import vision
from streamlearner.app.assembly import build
from streamlearner.bench.workbench import Pictures, Workbench
from streamlearner.codec import encode_raw
from streamlearner.config import load
from streamlearner.stream import Message


def workbench(*, data: Path, download: bool = False) -> Workbench:
    """What experiments need: daemons of this very code, and the data sets under `data`, or fetched there."""
    return Workbench(
        build_daemon=lambda settings, source: build(
            load(path=None, settings=settings, environ={}), source=source
        ),
        build_source=MemorySource,
        build_kafka_source=_in_a_topic,
        load_pictures=lambda name, train: _pictures(name, data=data, train=train, download=download),
        encode=encode_raw,
    )


def _in_a_topic(messages: list[Message], bootstrap_servers: str) -> KafkaSource:
    topic = f"streamlearner-bench-{uuid.uuid4().hex[:8]}"
    writer = KafkaWriter(
        bootstrap_servers=bootstrap_servers, topic=topic, partitions=4, client={}, start_timeout_s=30.0
    )
    for message in messages:
        writer.write(message, now_ms=int(time.time() * 1000))
    writer.flush(timeout_s=120.0)
    writer.close()
    return KafkaSource(bootstrap_servers=bootstrap_servers, topic=topic)


def _pictures(name: str, *, data: Path, train: bool, download: bool) -> Pictures:
    dataset = vision.dataset(name, root=data, train=train, download=download)
    return Pictures(images=np.asarray(dataset.data), labels=[int(label) for label in dataset.targets])
