"""Daemons on Kafka, one after another in a process: no thread or descriptor of an earlier one stays."""

from __future__ import annotations

import gc
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build
from streamlearner.connectors.kafka.writer import KafkaWriter
from tests.support.daemon_runs import example, running, settings, wait_until
from tests.support.kafka_topic import Make

pytestmark = pytest.mark.broker
COUNT = 30


def threads_and_descriptors() -> tuple[int, int]:
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("stopped", ["amid its start", "once it has learned"])
def test_source_and_dead_letters_leave_nothing_open(
    broker: Any, topic: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, stopped: str
) -> None:
    caplog.set_level(logging.CRITICAL, logger="kafka")  # what is captured would hold the connections
    name, kafka = topic(), {"source__kafka__bootstrap_servers": broker.address}
    config = settings(
        tmp_path, source__type="kafka", source__kafka__topic=name, dead_letters__type="kafka",
        daemon__at_end="serve", **kafka,
    )  # fmt: skip
    fill(broker, name)
    before = threads_and_descriptors()
    for _ in range(2):
        with running(build(config)) as daemon:
            if stopped == "once it has learned":
                wait_until(lambda: daemon.state.source.lag() == {0: 0}, "all was taken")
                wait_until(lambda: daemon.state.tally.messages == COUNT, "all was learned")
        wait_until(lambda: threads_and_descriptors() == before, f"all as before: {before}")


def fill(broker: Any, topic: str) -> None:
    writer = KafkaWriter(
        bootstrap_servers=broker.address, topic=topic, partitions=1, client={}, start_timeout_s=60.0
    )
    for number in range(COUNT):
        writer.write(example(number), now_ms=1_700_000_000_000 + number)
    writer.flush(timeout_s=60.0)
    writer.close()
