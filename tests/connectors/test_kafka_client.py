"""Clients of the library that could not be built: nothing of them goes on."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import KafkaError

from streamlearner.connectors.kafka.client import build_admin, build_consumer, build_producer


def threads_and_descriptors() -> tuple[int, int]:
    gc.collect()  # sockets that nobody holds any more
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("build", [build_admin, build_consumer, build_producer])
def test_an_attempt_that_no_broker_answers_leaves_no_thread_and_no_descriptor(
    build: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="kafka")  # what is captured would hold the connections
    before = threads_and_descriptors()
    for _ in range(3):
        with pytest.raises(KafkaError):
            build(bootstrap_servers="127.0.0.1:1", bootstrap_timeout_ms=100)
    assert threads_and_descriptors() == before
