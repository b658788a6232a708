"""Erasures that come as messages of a topic: through kill -9, and through a producer that sends all again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_erasure import body, checkpoints_holding
from tests.support.daemon_process import DaemonProcess, differing, final_state
from tests.support.kafka_topic import producer

pytestmark = pytest.mark.broker

EXAMPLES, AGAIN = 120, 76
MESSAGES = 200
"""A whole number of batches, so that a calm run has the same ones."""
BY_ID = ("e-5", "e-50", "e-118")
KILLED_AT = (60, 120, 123, 130, 190)
"""Messages taken: before the erasures, at the first of them, between them and in what is sent again."""
SETTINGS: dict[str, Any] = {
    "daemon": {"batch_size": 5, "linger_s": 60.0},
    "memory": {"budget_bits": 40_000},
    "exam": {"budget_bits": 20_000, "fraction": 0.2},
    "sleep": {"every_examples": 40, "min_examples": 0, "steps": 10, "steps_per_batch": 2},
    "checkpoint": {"every_examples": 20, "every_s": None},
}


@pytest.fixture
def erased_topic(broker: Any, topic: Callable[..., str]) -> str:
    """Examples; then some are erased by their ids, and a class; then many are sent again, those as well."""
    name = topic()
    sent = [body(n) for n in range(EXAMPLES)]
    sent[100]["label"] = "gone"
    sent += [{"erase": "id", "id": id} for id in BY_ID]
    sent += [{"erase": "label", "label": "gone"}]
    sent += [{**body(n), "label": sent[n]["label"]} for n in range(EXAMPLES - AGAIN, EXAMPLES)]
    with producer(broker) as made:
        for each in sent:
            headers = [("content-type", b"application/json")]
            made.send(name, json.dumps(each).encode(), partition=0, headers=headers)
        made.flush()
    assert len(sent) == MESSAGES
    return name


@pytest.fixture
def launch(broker: Any, erased_topic: str, tmp_path: Path) -> Iterator[Callable[[str], DaemonProcess]]:
    launched: list[DaemonProcess] = []

    def make(name: str) -> DaemonProcess:
        kafka = {"bootstrap_servers": broker.address, "topic": erased_topic}
        settings = SETTINGS | {"source": {"type": "kafka", "kafka": kafka}}
        launched.append(DaemonProcess(tmp_path / name, settings))
        return launched[-1]

    yield make
    for daemon in launched:
        daemon.close()


def test_erased_by_messages_it_stays_erased_through_kill_9_and_a_replay(
    launch: Callable[[str], DaemonProcess],
) -> None:
    calm, killed = launch("calm"), launch("killed")
    for taken in KILLED_AT:
        killed.start().wait_until(lambda status, taken=taken: status["messages"] >= taken)  # type: ignore[misc]
        killed.kill()
    for daemon in (calm, killed):
        status = daemon.start().wait_until_taken(MESSAGES)
        examples = status["examples"]
        assert examples["learned"] + examples["withheld"] == EXAMPLES
        assert examples["erased"] == 2, "e-50 and e-118, which were sent again"
        assert daemon.stop() == 0, daemon.tail()
        for id in (*BY_ID, "e-100"):
            assert checkpoints_holding(daemon.state_dir, id) == []
    assert differing(final_state(calm), final_state(killed)) == []
