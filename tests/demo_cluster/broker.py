"""The demo's Kafka: the one that the tests use, where it is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.kafka_broker import NoBroker, running_broker

START_TIMEOUT_S = 300
OWN = "Name one of your own (deploy/compose.yaml has one): make demo-cluster ARGS='--broker 127.0.0.1:29092'"


@contextmanager
def a_broker(data: Path) -> Iterator[str]:
    """Its address; ended with its data at the end. Raises NoBroker, which says what to do."""
    with ExitStack() as opened:
        try:
            broker = opened.enter_context(running_broker(data, timeout_s=START_TIMEOUT_S))
        except (NoBroker, RuntimeError) as missing:
            raise NoBroker(f"{missing}. {OWN}") from missing
        yield broker.address
