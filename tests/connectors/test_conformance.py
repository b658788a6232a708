"""Every connector keeps the promises of a source."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamlearner.stream import Source
from streamlearner.testing import SourceConformance
from streamlearner.testing.backlog import Backlog
from tests.support.sources_and_sinks import COUNT, LOCAL


@pytest.fixture
def kafka(broker: Any, topic: Callable[..., str]) -> Backlog:
    """Two partitions of a real broker, each record at its own millisecond."""
    from kafka import KafkaProducer

    from streamlearner.connectors.kafka.source import KafkaSource

    name = topic(partitions=2, name=f"conformance-{uuid.uuid4().hex}")
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for i in range(COUNT):
        producer.send(name, b"%d" % i, partition=i * 7 % 3 % 2, timestamp_ms=1_700_000_000_000 + i)
    producer.flush()
    producer.close()

    def connect() -> Source:
        return KafkaSource(bootstrap_servers=broker.address, topic=name)

    alien = {"topic": name, "topic_id": "another", "partitions": {}}
    return Backlog(connect, count=COUNT, alien=alien, finite=False, timeout_s=0.1, opens_slowly=True)


class TestConnectors(SourceConformance):
    @pytest.fixture(params=[*LOCAL, "kafka"])
    def backlog(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backlog]:
        if request.param == "kafka":
            made: Backlog = request.getfixturevalue("kafka")
        else:
            made = LOCAL[request.param](tmp_path)
        yield made
        made.close()
