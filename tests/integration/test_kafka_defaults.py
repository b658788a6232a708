"""The daemon with every shipped default, on a real broker: what is promised holds without any setting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamlearner.connectors.kafka.source import SILENCE_S
from tests.support.daemon_process import DaemonProcess
from tests.support.daemon_runs import example
from tests.support.kafka_topic import Make, producer

pytestmark = pytest.mark.broker

DEFAULTS = ("threads=null", "precision=auto")
"""What `DaemonProcess` sets for other tests, as it is shipped."""
LATE_S = 10.0
"""On a busy machine, for a thread, a status document and a request."""


@pytest.fixture
def name(topic: Make) -> str:
    return topic()


@pytest.fixture
def daemon(broker: Any, name: str, tmp_path: Path) -> Iterator[DaemonProcess]:
    """Only where it finds what is set: its folder, its port, its broker and topic."""
    kafka = {"bootstrap_servers": broker.address, "topic": name}
    made = DaemonProcess(tmp_path, {"source": {"type": "kafka", "kafka": kafka}})
    yield made.start(*DEFAULTS)
    made.close()


def produce(broker: Any, topic: str, first: int, count: int) -> None:
    with producer(broker) as made:
        for message in map(example, range(first, first + count)):
            made.send(topic, message.value, headers=list(message.headers), partition=0)
        made.flush()


def test_with_every_shipped_default_a_dead_broker_is_seen_within_seconds_and_a_living_one_heard_again(
    broker: Any, name: str, daemon: DaemonProcess
) -> None:
    daemon.wait_until(lambda status: status["connected"])
    produce(broker, name, 0, 100)
    daemon.wait_until_taken(100)
    began_s = time.monotonic()
    broker.kill()
    try:
        daemon.wait_until(lambda status: not status["connected"])
        seen_s = time.monotonic() - began_s
    finally:
        broker.start()
    assert seen_s < SILENCE_S + LATE_S
    daemon.wait_until(lambda status: status["connected"])
    produce(broker, name, 100, 50)
    daemon.wait_until_taken(150)
    assert daemon.stop() == 0, daemon.tail()
