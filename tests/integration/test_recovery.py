"""Whatever happens to process or broker, the run ends as one that nothing happened to, byte for byte."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.arms import METHODS
from tests.support.daemon_process import DaemonProcess, differing, final_state
from tests.support.digit_stream import DigitStream
from tests.support.recovery import (
    assert_each_example_counted_once,
    assert_worth_comparing,
    calm,
    killed_again_and_again,
    settings_of,
)

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
        settings = settings_of(broker.address, topic, steps_per_batch=steps_per_batch, method=method)
        launched.append(DaemonProcess(tmp_path / name, settings))
        return launched[-1]

    yield make
    for daemon in launched:
        daemon.close()


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
        end = killed_again_and_again(daemon, stream, seed=len(name), kills=KILLS)
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
