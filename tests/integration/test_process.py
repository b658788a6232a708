"""The daemon as a supervisor sees it: signals, exit codes, and pushed examples that outlive a kill."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner.decoding.inputs import wire_input
from tests.support.checkpoint_store import spoil
from tests.support.daemon_process import DaemonProcess, free_port
from tests.support.signals import heeded

PUSH: dict[str, Any] = {
    "source": {"type": "push"},
    "daemon": {"batch_size": 10, "linger_s": 0.2, "poll_timeout_s": 0.05},
    "memory": {"budget_bits": 8_000},
    "exam": {"budget_bits": 8_000, "fraction": 0.1},
    "sleep": {"every_examples": 80, "min_examples": 20, "steps": 30, "steps_per_batch": 2},
    "checkpoint": {"every_examples": 50, "keep": 2},
}
Launch = Callable[..., DaemonProcess]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    launched: list[DaemonProcess] = []

    def make(settings: dict[str, Any] = PUSH, folder: str = "daemon") -> DaemonProcess:
        launched.append(DaemonProcess(tmp_path / folder, settings))
        return launched[-1]

    yield make
    for daemon in launched:
        daemon.close()


def examples(first: int, count: int) -> dict[str, Any]:
    """A body for POST /v1/examples: 6x6 images with ids, labels in class order."""
    body = []
    for number in range(first, first + count):
        label = number // 100
        image = np.random.default_rng(number).integers(0, 60, (1, 6, 6), dtype=np.uint8)
        image[0, label : label + 2] += np.uint8(180)
        body.append({"input": wire_input(image), "label": label, "id": f"n{number}"})
    return {"examples": body}


def test_pushed_examples_outlive_a_kill_and_are_learned_once_and_then_deleted(launch: Launch) -> None:
    daemon = launch().start()
    daemon.wait_until(lambda status: True)
    for first in range(0, 300, 20):
        assert daemon.ask("/v1/examples", examples(first, 20))["accepted"] == 20
    daemon.kill()  # while it learns them
    daemon.start().wait_until(lambda status: status["messages"] >= 60)
    daemon.kill()
    daemon.start().wait_until(lambda status: True)
    again = daemon.ask("/v1/examples", examples(280, 40))
    assert (again["accepted"], again["duplicates"]) == (20, 20)
    status = daemon.wait_until_taken(320)
    assert status["examples"]["learned"] + status["examples"]["withheld"] == status["messages"] == 320
    assert status["examples"]["duplicate"] == status["examples"]["rejected"] == 0
    assert daemon.stop() == 0, daemon.tail()
    assert len(daemon.newest().tensors["intake"]["ids"]) == 320
    with sqlite3.connect(daemon.state_dir / "push.sqlite") as log:
        (kept,) = log.execute("SELECT count(*) FROM log").fetchone()
    assert kept <= 100, "rows that no kept checkpoint needs"


def test_a_process_told_to_end_while_it_sleeps_drains_and_goes_on_sleeping_after_its_restart(
    launch: Launch,
) -> None:
    long = PUSH | {"sleep": PUSH["sleep"] | {"steps": 200_000, "steps_per_batch": 0}}
    daemon = launch(long).start()
    daemon.wait_until(lambda status: True)
    daemon.ask("/v1/examples", examples(0, 150))
    daemon.wait_until(lambda status: status["asleep"])
    time.sleep(0.3)
    assert daemon.stop() == 0, daemon.tail()
    steps = daemon.newest().facts["learner"]["consolidation_steps"]
    assert steps > 0
    daemon.start()
    daemon.wait_until(lambda status: status["asleep"] and not status["owed_steps"])
    time.sleep(0.3)
    assert daemon.stop() == 0, daemon.tail()
    assert daemon.newest().facts["learner"]["consolidation_steps"] > steps


def test_a_second_process_on_the_same_state_is_refused_and_told_who_holds_it(
    launch: Launch, tmp_path: Path
) -> None:
    first = launch().start()
    first.wait_until(lambda status: True)
    second = launch(folder="second").start(f"state_dir={first.state_dir}")
    assert second.wait_for_end() == 1
    assert "in use by process" in second.tail() and "another state_dir" in second.tail()
    assert first.stop() == 0


def test_a_broker_that_cannot_be_reached_in_time_is_exit_code_69(launch: Launch) -> None:
    daemon = launch(kafka_without_broker(start_timeout_s=1.0)).start()
    assert daemon.wait_for_end() == 69
    assert "no broker answers" in daemon.tail()


def test_a_process_told_to_end_while_it_waits_for_the_broker_ends_with_code_0(launch: Launch) -> None:
    daemon = launch(kafka_without_broker(start_timeout_s=600.0)).start()
    daemon.wait_until(lambda status: not status["connected"])
    assert daemon.stop() == 0, daemon.tail()


def kafka_without_broker(*, start_timeout_s: float) -> dict[str, Any]:
    kafka = {"bootstrap_servers": f"127.0.0.1:{free_port()}", "start_timeout_s": start_timeout_s}
    return {"source": {"type": "kafka", "kafka": kafka}}


def test_other_ends_have_codes_and_texts_that_say_what_to_do(launch: Launch) -> None:
    daemon = launch().start("sleep.evry_examples=3")
    assert daemon.wait_for_end() == 78 and "sleep.every_examples" in daemon.tail()
    daemon.start().wait_until(lambda status: True)
    daemon.ask("/v1/examples", examples(0, 60))
    daemon.wait_until_taken(60)
    assert daemon.stop() == 0, daemon.tail()
    daemon.start("method.name=finetune")
    assert daemon.wait_for_end() == 78 and "set method.name back" in daemon.tail()
    for facts in (daemon.state_dir / "checkpoints").glob("*/facts.json"):
        spoil(facts)
    daemon.start()
    assert daemon.wait_for_end() == 74 and "restore it from a backup" in daemon.tail()


def test_an_interrupt_from_the_keyboard_drains_too(launch: Launch) -> None:
    daemon = launch().start()
    daemon.wait_until(lambda status: True)
    daemon.ask("/v1/examples", examples(0, 30))
    daemon.wait_until_taken(30)
    daemon.signal(signal.SIGINT)
    assert daemon.wait_for_end() == 0
    assert daemon.newest().facts["tally"]["messages"] == 30


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_terminal_that_is_closed_drains_like_a_supervisor(launch: Launch, number: signal.Signals) -> None:
    with heeded(number):
        daemon = launch().start()
    daemon.wait_until(lambda status: True)
    daemon.ask("/v1/examples", examples(0, 30))
    daemon.wait_until(lambda status: status["messages"] >= 20)
    daemon.signal(number)
    assert daemon.wait_for_end() == 0, daemon.tail()
    assert daemon.newest().facts["tally"]["messages"] >= 20
    assert f"serving on http://127.0.0.1:{daemon.port}" in daemon.log.read_text()


def test_a_port_that_is_taken_is_never_said_to_be_served(launch: Launch) -> None:
    daemon = launch()
    with socket.create_server(("127.0.0.1", daemon.port)):
        daemon.start()
        assert daemon.wait_for_end() == 78
    assert "cannot listen on" in daemon.tail() and "serving on" not in daemon.log.read_text()


def test_a_state_of_another_source_is_for_a_person_and_not_for_a_supervisor(launch: Launch) -> None:
    files = PUSH | {"source": {"type": "files", "files": {"format": "digits"}}}
    daemon = launch(files).start()
    daemon.wait_until(lambda status: status["messages"] >= 20)
    assert daemon.stop() == 0, daemon.tail()
    daemon.start("source.type=push")
    assert daemon.wait_for_end() == 78
    assert "this state was learned from files (source.type: files)" in daemon.tail()
