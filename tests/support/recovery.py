"""Daemons that learn one stream of digits, harmed and unharmed, and what both must agree on."""

from __future__ import annotations

import random
import time
from typing import Any

import torch

from streamlearner.daemon.known_ids import RememberedIds
from tests.support.daemon_process import DaemonProcess, final_state
from tests.support.digit_stream import DigitStream


def settings_of(
    address: str, topic: str, *, steps_per_batch: int, method: str = "recollection_replay"
) -> dict[str, Any]:
    """Many small sleeps and checkpoints."""
    return {
        "method": {
            "name": method,
            "masked_generator": {"units": 16, "steps": 20, "batch_size": 16, "least_examples": 20},
        },
        "source": {
            "type": "kafka",
            "kafka": {"bootstrap_servers": address, "topic": topic, "discover_every_s": 0.5},
        },
        "daemon": {"batch_size": 10, "linger_s": 2.0},
        "memory": {"budget_bits": 20_000},
        "exam": {"budget_bits": 30_000, "fraction": 0.05},
        "sleep": {
            "every_examples": 100,
            "min_examples": 50,
            "steps": 20,
            "steps_per_batch": steps_per_batch,
            "tolerance": 0.05,  # some are refused
        },
        "evaluation": {"every_examples": 100},
        "checkpoint": {"every_examples": 30, "every_s": None},
    }


def calm(daemon: DaemonProcess, stream: DigitStream) -> dict[str, Any]:
    """The end of a run that nothing happens to."""
    daemon.start()
    daemon.wait_until_taken(len(stream))
    assert daemon.stop() == 0, daemon.tail()
    return final_state(daemon)


def killed_again_and_again(
    daemon: DaemonProcess, stream: DigitStream, *, seed: int, kills: int
) -> dict[str, Any]:
    """The end of a run killed `kills` times, at instants spread over the stream by chance: one in three while
    a checkpoint is being written, one in three asleep, the others anywhere."""
    chance = random.Random(seed)
    instants = sorted(chance.uniform(0.0, 0.93) * len(stream) for _ in range(kills))
    for i, instant in enumerate(instants):
        daemon.start()
        daemon.wait_until(lambda status, instant=instant: status["messages"] >= instant)
        (wait_for_a_checkpoint_write, wait_for_sleep, lambda _: None)[i % 3](daemon)
        time.sleep(chance.choice((0.0, 0.002, 0.02, 0.1)))
        assert daemon.running, f"it ended before kill {i + 1} of {kills}:\n{daemon.tail()}"
        daemon.kill()
    return calm(daemon, stream)


def wait_for_a_checkpoint_write(daemon: DaemonProcess) -> None:
    """Until a directory is being written aside, or is being deleted."""
    folder, deadline_s = daemon.state_dir / "checkpoints", time.monotonic() + 2.0
    while time.monotonic() < deadline_s and not any(folder.glob(".tmp-*")):
        time.sleep(0.0005)


def wait_for_sleep(daemon: DaemonProcess) -> None:
    deadline_s = time.monotonic() + 2.0
    while time.monotonic() < deadline_s and not (daemon.status() or {"asleep": True})["asleep"]:
        time.sleep(0.002)


def assert_each_example_counted_once(daemon: DaemonProcess, stream: DigitStream) -> None:
    found = daemon.newest()
    progress, tally = found.facts["learner"]["progress"], found.facts["tally"]
    counts = {
        "new": progress["learned"] + progress["withheld"],
        "garbage": tally["rejected"],
        "resent": tally["duplicate"],
    }
    assert counts == {kind: stream.count(kind) for kind in counts}
    assert sum(counts.values()) == tally["messages"] == len(stream)
    assert torch.equal(found.tensors["intake"]["ids"], ids_of(stream)), "not every id once, in order"
    letters = daemon.dead_letters()
    assert len(letters) == len(set(letters)) == stream.count("garbage"), "dead letters missing or twice"


def ids_of(stream: DigitStream) -> torch.Tensor:
    ids = RememberedIds(window=len(stream))
    assert all([ids.admit(name) for name in stream.new_ids])
    return ids.state()


def assert_worth_comparing(daemon: DaemonProcess, end: dict[str, Any]) -> None:
    """There was something that could have differed: memory, generators, sleeps."""
    assert {"method/memory.records", "method/memory.generator", "method/rng._extra_state"} <= end.keys()
    assert daemon.newest().facts["learner"]["progress"]["adopted"] >= 5
