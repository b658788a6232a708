"""Predict, wait, label: labels that come late, twice or not at all, through kills."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import urllib.error
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner.decoding.inputs import wire_input
from tests.support.daemon_process import DaemonProcess

SETTINGS: dict[str, Any] = {
    "daemon": {"batch_size": 10, "linger_s": 0.05, "poll_timeout_s": 0.02},
    "memory": {"budget_bits": 8_000},
    "exam": {"budget_bits": 8_000, "fraction": 0.1},
    "sleep": {"every_examples": 1_000_000, "first_examples": None},
    "checkpoint": {"every_examples": 200, "keep": 2},
}
PREDICTED = int(os.environ.get("STREAMLEARNER_LABELLED_LATER", "300"))
KILLS = int(os.environ.get("STREAMLEARNER_KILLS", "3"))
LOST, DOUBLED = 0.1, 0.2
BATCH = 10


@pytest.fixture(params=["push", "files"])
def daemon(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DaemonProcess]:
    """That has 40 examples to learn."""
    first = [{"input": image(number), "label": number % 4} for number in range(40)]
    source: dict[str, Any] = {"type": request.param}
    if request.param == "files":
        path = tmp_path / "first.jsonl"
        path.write_text("".join(json.dumps(example) + "\n" for example in first))
        source["files"] = {"path": str(path), "follow": True}
    daemon = DaemonProcess(tmp_path, SETTINGS | {"source": source}).start()
    daemon.wait_until(lambda status: True)
    if request.param == "push":
        daemon.ask("/v1/examples", {"examples": first})
    yield daemon
    daemon.close()


def image(number: int) -> Any:
    found = np.random.default_rng(number).integers(0, 60, (1, 6, 6), dtype=np.uint8)
    found[0, number % 4 : number % 4 + 2] += np.uint8(180)
    return wire_input(found)


def insist(daemon: DaemonProcess, path: str, body: Any) -> tuple[int, Any]:
    """Asks until there is an answer, as a client does whose daemon was killed; starts it again."""
    for _ in range(20):
        try:
            return 200, daemon.ask(path, body)
        except urllib.error.HTTPError as refused:
            return refused.code, None
        except (OSError, http.client.HTTPException):
            daemon.wait_for_end()
            daemon.start().wait_until(lambda status: True)
    raise AssertionError(f"no answer from {path}:\n{daemon.tail()}")


def test_each_label_is_learned_once_whatever_comes_twice_late_or_through_a_kill(
    daemon: DaemonProcess,
) -> None:
    rng = random.Random(7)
    daemon.wait_until(lambda status: status["ready"] and status["model_version"] != "0")
    waiting: list[tuple[float, str, int]] = []
    due = 0
    for number in range(0, PREDICTED, BATCH):
        body = {"inputs": [image(number + i) for i in range(BATCH)]}
        _, answer = insist(daemon, "/v1/predict", body)
        for i, prediction in enumerate(answer["predictions"]):
            if rng.random() >= LOST:
                due += 1
                copies = 2 if rng.random() < DOUBLED else 1
                label = (number + i) % 4
                waiting += [
                    (number + rng.expovariate(0.01), prediction["prediction_id"], label)
                    for _ in range(copies)
                ]
    kills = sorted(rng.sample(range(len(waiting)), KILLS))
    outcomes: Counter[int | str] = Counter()
    for place, (_, name, label) in enumerate(sorted(waiting)):
        if place in kills:  # while it works on the label, or before, or after
            threading.Timer(rng.uniform(0.0, 0.01), daemon.signal, [signal.SIGKILL]).start()
        status, answer = insist(daemon, "/v1/labels", {"prediction_id": name, "label": label})
        outcomes[answer["outcome"] if answer else status] += 1
    unknown, _ = insist(daemon, "/v1/labels", {"prediction_id": "never", "label": 1})
    assert unknown == 404
    assert outcomes.keys() == {"accepted", "duplicate"}, outcomes
    status = daemon.wait_until(
        lambda status: status["messages"] >= 40 + due and not any(status["lag"].values())
    )
    assert status["messages"] == 40 + due, "each label is one message of the stream"
    assert status["examples"]["learned"] + status["examples"]["withheld"] == 40 + due
    assert status["examples"]["duplicate"] == status["examples"]["rejected"] == 0
    assert status["answered"]["labelled"] == due
    assert status["answered"]["waiting"] == PREDICTED - due
    assert daemon.ask("/v1/memory")["stored_bits"]["predictions"] > 0
    assert daemon.stop() == 0, daemon.tail()
