"""What was learned is taken back, for good: over HTTP, through the push log, and in the stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamlearner.client import Client
from tests.support.daemon_process import DaemonProcess
from tests.support.daemon_runs import kept_checkpoints, store
from tests.support.erasures import holds

COUNT = 120
QUICK = {"sleep__every_examples": None, "exam__fraction": 0.3}


def body(number: int) -> dict[str, Any]:
    vector = [float(number % 4), 1.0, number / 200, 0.0]
    return {"input": vector, "label": number % 4, "id": f"e-{number}"}


def held_ids(folder: Path) -> list[str]:
    found = store(folder).latest()
    assert found is not None
    return [f"e-{n}" for n in range(COUNT) if holds(found.tensors, f"e-{n}")]


def checkpoints_holding(folder: Path, id: str) -> list[int]:
    return [each.number for each in kept_checkpoints(folder) if holds(each.tensors, id)]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[DaemonProcess]:
    given = {
        "source": {"type": "push"},
        "daemon": {"batch_size": 5, "linger_s": 0.05},
        "memory": {"budget_bits": 20_000},
        "exam": {"budget_bits": 20_000, "fraction": 0.2},
        "sleep": {"every_examples": None, "first_examples": None},
        "checkpoint": {"every_examples": 20},
    }
    daemon = DaemonProcess(tmp_path, given)
    yield daemon
    daemon.close()


def test_after_a_delete_is_answered_no_checkpoint_holds_the_example_and_kill_9_brings_nothing_back(
    process: DaemonProcess,
) -> None:
    process.start().wait_until(lambda status: True)
    process.ask("/v1/examples", {"examples": [body(n) for n in range(COUNT)]})
    process.wait_until_taken(COUNT)
    client = Client(f"http://127.0.0.1:{process.port}")
    client.checkpoint()
    process.wait_until(lambda _: bool(held_ids(process.state_dir)))
    name = held_ids(process.state_dir)[0]
    answer = client.erase(name)
    assert answer["checkpoints_renewed"]
    assert answer["removed"]["recollections"] + answer["removed"]["exam"] >= 1
    process.kill()
    assert checkpoints_holding(process.state_dir, name) == []
    process.start().wait_until(lambda status: status["messages"] == COUNT + 1)
    assert process.ask("/v1/examples", {"examples": [body(int(name[2:]))]})["duplicates"] == 1
    assert process.stop() == 0
    assert checkpoints_holding(process.state_dir, name) == []
