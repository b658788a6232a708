"""Whatever happens to process or broker, the run ends as one that nothing happened to, byte for byte."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from streamlearner.daemon.known_ids import RememberedIds
from tests.support.arms import METHODS
from tests.support.daemon_process import DaemonProcess, differing, final_state
from tests.support.digit_stream import DigitStream

pytestmark = [pytest.mark.broker, pytest.mark.slow]

KILLS = 10  # in each of three runs
HALF = 700
"""Digits that every method learns: five classes, eight sleeps and thirty checkpoints of each."""
BASELINES = (
    "deep_generative_replay",
    "elastic_weight_consolidation",
    "finetune",
    "pseudopattern_rehearsal",
    "rehearsal",
    "streaming_statistics",  # no baseline, but none of the five papers' either
)
"""Their restarts are compared byte for byte in one process (streamlearner/testing/method_state.py)."""
Make = Callable[..., str]
Launch = Callable[..., DaemonProcess]


@pytest.fixture(scope="module")
def stream() -> DigitStream:
    return DigitStream(rounds=1)


@pytest.fixture
def launch(broker: Any, tmp_path: Path) -> Iterator[Launch]:
    """Daemons, each with a state folder of its own, that learn a topic of this broker with many small sleeps
    and checkpoints. None is left running."""
    launched: list[DaemonProcess] = []

    def make(
        name: str, topic: str, *, steps_per_batch: int, method: str = "recollection_replay"
    ) -> DaemonProcess:
        settings = {
            "method": {
                "name": method,
                "masked_generator": {"units": 16, "steps": 20, "batch_size": 16, "least_examples": 20},
            },
            "source": {
                "type": "kafka",
                "kafka": {"bootstrap_servers": broker.address, "topic": topic, "discover_every_s": 0.5},
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
        launched.append(DaemonProcess(tmp_path / name, settings))
        return launched[-1]

    yield make
    for daemon in launched:
        daemon.close()


def calm(daemon: DaemonProcess, stream: DigitStream) -> dict[str, Any]:
    """The end of a run that nothing happens to."""
    daemon.start()
    daemon.wait_until_taken(len(stream))
    assert daemon.stop() == 0, daemon.tail()
    return final_state(daemon)


def killed_again_and_again(
    daemon: DaemonProcess, stream: DigitStream, *, seed: int, kills: int = KILLS
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


def test_killed_at_thirty_random_instants_it_ends_byte_for_byte_as_if_never_killed(
    broker: Any, topic: Make, launch: Launch, stream: DigitStream
) -> None:
    """With one partition, with three, and with a producer that still writes: ten kills each, side by side."""
    still_written, *written = (topic(partitions=partitions) for partitions in (1, 1, 3))
    stream.produce(broker.address, written[0])
    stream.produce(broker.address, written[1], partitions=3)
    stream.produce_beside(broker.address, still_written, pace=lambda n: time.sleep(0.006))
    cases = {"one": (written[0], 0), "three": (written[1], 3), "still-written": (still_written, 2)}

    def ends(name: str) -> tuple[DaemonProcess, dict[str, Any], dict[str, Any]]:
        topic_name, steps = cases[name]
        daemon = launch(f"{name}-killed", topic_name, steps_per_batch=steps)
        end = killed_again_and_again(daemon, stream, seed=len(name))
        return daemon, end, calm(launch(f"{name}-calm", topic_name, steps_per_batch=steps), stream)

    with ThreadPoolExecutor(max_workers=len(cases)) as pool:
        outcomes = dict(zip(cases, pool.map(ends, cases), strict=True))
    for name, (daemon, end, expected) in outcomes.items():
        names = differing(end, expected)
        assert not names, f"{name}: {[(each, end.get(each), expected.get(each)) for each in names]}"[:2000]
        assert_each_example_counted_once(daemon, stream)
        assert_worth_comparing(daemon, end)


def test_every_papers_method_killed_at_random_instants_ends_byte_for_byte_too(
    broker: Any, topic: Make, launch: Launch
) -> None:
    stream, written = DigitStream(rounds=1, digits=HALF), topic()
    stream.produce(broker.address, written)

    def ends(method: str) -> tuple[DaemonProcess, dict[str, Any], dict[str, Any]]:
        daemon, undisturbed = (
            launch(f"{method}-{fate}", written, steps_per_batch=2, method=method)
            for fate in ("killed", "calm")
        )
        end = killed_again_and_again(daemon, stream, seed=len(method), kills=2)
        return daemon, end, calm(undisturbed, stream)

    others = [name for name in METHODS if name not in ("recollection_replay", *BASELINES)]
    with ThreadPoolExecutor(max_workers=3) as pool:
        outcomes = dict(zip(others, pool.map(ends, others), strict=True))
    for method, (daemon, end, expected) in outcomes.items():
        assert not differing(end, expected), f"{method}: {differing(end, expected)} differ"
        assert_each_example_counted_once(daemon, stream)
        progress = daemon.newest().facts["learner"]["progress"]
        assert progress["adopted"] + progress["refused"] >= 1, method


def test_a_frozen_process_a_restarted_broker_and_a_drain_without_one_change_nothing_of_the_end(
    broker: Any, topic: Make, launch: Launch
) -> None:
    stream, name = DigitStream(rounds=1), topic()
    stream.produce(broker.address, name)
    daemon = launch("harmed", name, steps_per_batch=2).start()
    daemon.wait_until(lambda status: status["messages"] > 0.2 * len(stream))
    daemon.signal(signal.SIGSTOP)
    expected = calm(launch("calm", name, steps_per_batch=2), stream)  # longer than a broker counts as heard
    daemon.signal(signal.SIGCONT)
    daemon.wait_until(lambda status: status["messages"] > 0.4 * len(stream))
    broker.kill()
    broker.start()
    daemon.wait_until(lambda status: status["messages"] > 0.7 * len(stream))
    broker.kill()
    assert daemon.stop() == 0, daemon.tail()
    broker.start()
    daemon.start().wait_until_taken(len(stream))
    assert daemon.stop() == 0, daemon.tail()
    end = final_state(daemon)
    assert not differing(end, expected), f"{differing(end, expected)} differ"
    assert_each_example_counted_once(daemon, stream)
    assert_worth_comparing(daemon, end)
