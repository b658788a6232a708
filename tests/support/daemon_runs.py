"""Small daemons for tests: built by `app.build` on a stream in memory, run here or in a thread."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from streamlearner.app import build
from streamlearner.config import loading as configuration
from streamlearner.config.loading import Config
from streamlearner.connectors.memory import Crash, CrashMarker, MemorySource
from streamlearner.daemon.after_erasure import NAME as AFTER_ERASURE
from streamlearner.daemon.loop import Daemon
from streamlearner.decoding.codec import encode_raw
from streamlearner.errors import CheckpointError
from streamlearner.state.checkpoint import Checkpoint, CheckpointStore
from streamlearner.stream import Message, Source
from tests.support.patience import wait_until

CLASSES = 4

SETTINGS: dict[str, Any] = {
    "threads": 1,
    "precision": "fp32",  # auto measures, so that two first starts may choose differently
    "serving.port": 0,
    "daemon.batch_size": 5,
    "daemon.linger_s": 0.05,
    "daemon.poll_timeout_s": 0.02,
    "daemon.at_end": "exit",
    "memory.budget_bits": 4_000,
    "exam.budget_bits": 4_000,
    "exam.fraction": 0.1,
    "sleep.every_examples": 60,
    "sleep.first_examples": None,
    "sleep.min_examples": 20,
    "sleep.steps": 30,
    "sleep.batch_size": 8,
    "sleep.steps_per_batch": 3,
    "sleep.tolerance": 1.0,
    "evaluation.every_examples": 25,
    "evaluation.prequential_window": 50,
    "checkpoint.every_examples": 20,
    "checkpoint.retry_s": 0.05,
    "serving.refresh_every_examples": 20,
}


def settings(state_dir: Path, **more: Any) -> Config:
    """The tests' configuration; in `more`, `__` nests: sleep__steps=3."""
    changed = {name.replace("__", "."): value for name, value in more.items()}
    return configuration.load(
        path=None, settings=SETTINGS | {"state_dir": str(state_dir)} | changed, environ={}
    )


def example(
    number: int, *, label: int | None = None, id: str | None = None, task: str | None = None
) -> Message:
    """A 6x6 image, one of CLASSES in class order by default; the same for the same number."""
    label = (number // 50) % CLASSES if label is None else label
    noise = np.random.default_rng(number).integers(0, 60, (6, 6), dtype=np.uint8)
    noise[label : label + 2] += np.uint8(180)
    value, headers = encode_raw(noise, label=label, id=id, task=task)
    return Message(value, "memory", 0, number, headers=headers)


def garbage(number: int) -> Message:
    return Message(b"no image", "memory", 0, number, headers=(("label", b"1"), ("shape", b"6,6")))


def a_stream(count: int) -> list[Message]:
    """Mostly new examples with ids; every 17th is sent again, every 29th is garbage."""
    messages: list[Message] = []
    for number in range(count):
        if number % 29 == 28:
            messages.append(garbage(number))
        elif number % 17 == 16:
            messages.append(example(number, label=0, id=f"example-{number - 6}"))
        else:
            messages.append(example(number, id=f"example-{number}"))
    return messages


def a_mixed_stream(count: int) -> list[Message]:
    """Classes and tasks in no order, met from the highest to the lowest."""
    draw = random.Random(7)
    labels = [3, 2, 1, 0] + [draw.randrange(CLASSES) for _ in range(count)]
    return [example(n, label=label, task=f"task-{label % 2}") for n, label in enumerate(labels[:count])]


def store(state_dir: Path) -> CheckpointStore:
    return CheckpointStore(state_dir / "checkpoints", keep=3, clock=time.time)


def kept_checkpoints(state_dir: Path) -> list[Checkpoint]:
    """All checkpoints, oldest first, without those that a daemon beside the test prunes meanwhile."""
    found, checkpoints = [], store(state_dir)
    for entry in checkpoints.entries():
        try:
            found.append(checkpoints.load(entry.number))
        except CheckpointError:
            assert entry.number not in [each.number for each in checkpoints.entries()]
    return found


def run(config: Config, source: Source) -> Daemon:
    """To its end, or to a crash marker, which passes silently."""
    daemon = build(config, source=source)
    with suppress(CrashMarker):
        daemon.run()
    return daemon


def run_with_crashes(config: Config, messages: Sequence[Message], at: Sequence[int]) -> Daemon:
    """Runs again after each crash, as often as there are."""
    content: list[Message | Crash] = list(messages)
    for index in sorted(at, reverse=True):
        content.insert(index, Crash())
    source = MemorySource(content)
    for _ in at:
        run(config, source)
    return run(config, source)


@contextmanager
def running(daemon: Daemon) -> Iterator[Daemon]:
    """In a thread; stopped at the end, where an error of its run is raised."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            daemon.run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        wait_until(lambda: not thread.is_alive(), "the daemon stops")
    if failures:
        raise failures[0]


def state(daemon_or_folder: Path) -> dict[str, Any]:
    """The newest checkpoint by name: tensors as bytes, facts, position; not how many are to be saved anew."""
    found = store(daemon_or_folder).latest()
    assert found is not None, "there is no checkpoint"
    tensors = {
        f"{file}/{key}": (str(tensor.dtype), tuple(tensor.shape), tensor.numpy().tobytes())
        for file, part in found.tensors.items()
        for key, tensor in part.items()
    }
    facts = {name: fact for name, fact in found.facts.items() if name != AFTER_ERASURE}
    return tensors | facts | {"position": found.manifest.position}


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def learned(daemon: Daemon) -> int:
    return daemon.learner.progress.learned if daemon.learner else 0


def ask(daemon: Daemon, path: str, body: Any = None) -> Any:
    host, port = daemon.serving.address
    request = urllib.request.Request(
        f"http://{host}:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def predict(daemon: Daemon) -> Any:
    return ask(daemon, "/v1/predict", {"inputs": [[[0] * 6] * 6]})


def figure(daemon: Daemon, series: str) -> float:
    """One sample of what Prometheus would scrape."""
    lines = daemon.state.events.metrics.exposition().decode().splitlines()
    (value,) = (line.removeprefix(series + " ") for line in lines if line.startswith(series + " "))
    return float(value)
