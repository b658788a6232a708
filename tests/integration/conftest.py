"""Fixtures of the tests that need a real broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamlearner.connectors.kafka.source import KafkaSource
from streamlearner.stream import Position


@pytest.fixture
def open_source(broker: Any) -> Iterator[Callable[..., KafkaSource]]:
    """Opens sources that the end of the test closes."""
    opened: list[KafkaSource] = []

    def connect(topic: str, position: Position | None = None, **settings: Any) -> KafkaSource:
        settings = {
            "bootstrap_servers": broker.address,
            "start_timeout_s": 20.0,
            "discover_every_s": 0.2,
        } | settings
        source = KafkaSource(topic=topic, **settings)
        opened.append(source)
        source.open(None if position is None else json.loads(json.dumps(position)))
        return source

    yield connect
    for source in opened:
        source.close()
