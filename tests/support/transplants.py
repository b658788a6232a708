"""Daemons on a stream of images that a LeNet and an MLP can both learn, and transplants asked of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from streamlearner.config.loading import Config
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.requests import LearningThread
from streamlearner.decoding.codec import encode_raw
from streamlearner.stream import Message
from tests.support.daemon_runs import ask, learned, settings

SIDE = 16
CLASSES = 4
COUNT = 160
STEPS = 40


def example(number: int) -> Message:
    """A 16x16 image with a bright bar where its class says, classes in turn; large enough for the LeNet."""
    label = number % CLASSES
    image = np.random.default_rng(number).integers(0, 60, (SIDE, SIDE), dtype=np.uint8)
    image[4 * label : 4 * label + 3] += np.uint8(180)
    value, headers = encode_raw(image, label=label, id=f"example-{number}", task=None)
    return Message(value, "memory", 0, number, headers=headers)


STREAM = [example(number) for number in range(COUNT)]


def a_config(folder: Path, **more: Any) -> Config:
    usual = {"network__name": "lenet", "exam__budget_bits": 40_000, "method__learning_rate": 0.3}
    return settings(folder, **(usual | more))


def network(daemon: Daemon) -> str | None:
    return daemon.learner.network if daemon.learner else None


def last(daemon: Daemon) -> dict[str, Any]:
    """The last transplant as the status shows it; empty while there was none."""
    return daemon.requests.status().get("transplant") or {}


def ended(daemon: Daemon, number: int = 1) -> bool:
    return last(daemon).get("number") == number and last(daemon)["outcome"] != "running"


def predict(daemon: Daemon, label: int = 2) -> Any:
    image = np.zeros((SIDE, SIDE), int)
    image[4 * label : 4 * label + 3] = 200
    return ask(daemon, "/v1/predict", {"inputs": [image.tolist()]})


class Asking(threading.Thread):
    """Asks for predictions without a pause; `versions` are those that answered, `failures` what did not."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self.daemon_asked = daemon
        self.versions: list[int] = []
        self.failures: list[Exception] = []
        self.done = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.done.is_set():
            try:
                self.versions.append(int(predict(self.daemon_asked)["model_version"].split(".")[0]))
            except Exception as error:
                self.failures.append(error)

    def stop(self) -> None:
        self.done.set()
        self.join(timeout=10)


def transplanting_at(count: int, daemon: Daemon) -> Daemon:
    """It begins a transplant when `count` examples are learned: as if asked for between the same batches."""
    run_pending = daemon.requests.run_pending

    def begin(thread: LearningThread) -> None:
        run_pending(thread)
        if learned(daemon) >= count and daemon.learner and not daemon.learner.transplant:
            thread.begin_transplant("mlp", STEPS)

    daemon.requests.run_pending = begin  # type: ignore[method-assign]
    return daemon
