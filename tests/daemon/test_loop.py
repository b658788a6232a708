"""The daemon on a stream in memory: what it learns, how it stops, what it does when asked."""

from __future__ import annotations

import json
import threading
import urllib.error
from pathlib import Path

import pytest

from streamlearner.app import build
from streamlearner.connectors.kafka.source import KafkaSource
from streamlearner.connectors.memory import MemorySource
from tests.support.daemon_runs import (
    a_stream,
    ask,
    example,
    figure,
    garbage,
    learned,
    predict,
    run,
    running,
    settings,
    state,
    store,
    wait_until,
)

COUNT = 200
STREAM = a_stream(COUNT)


def test_a_finite_stream_is_learned_once_and_the_run_ends_with_a_checkpoint(tmp_path: Path) -> None:
    daemon = run(settings(tmp_path), MemorySource(STREAM))
    assert daemon.learner is not None
    progress, tally = daemon.learner.progress, daemon.state.tally
    assert progress.learned + progress.withheld + tally.rejected + tally.duplicate == tally.messages == COUNT
    assert tally.rejected == len([n for n in range(COUNT) if n % 29 == 28])
    assert tally.duplicate == len([n for n in range(COUNT) if n % 17 == 16 and n % 29 != 28])
    assert progress.withheld > 0 and progress.adopted == 2
    newest = store(tmp_path).latest()
    assert newest is not None and newest.manifest.position == {"index": COUNT}


def test_the_last_messages_of_a_stream_are_learned_though_they_fill_no_batch(tmp_path: Path) -> None:
    daemon = run(settings(tmp_path, exam__fraction=0.0), MemorySource([example(n) for n in range(13)]))
    assert learned(daemon) == 13


def test_a_stream_of_garbage_alone_is_counted_kept_and_passed(tmp_path: Path) -> None:
    daemon = run(settings(tmp_path), MemorySource([garbage(n) for n in range(12)]))
    assert daemon.learner is None and daemon.state.tally.rejected == 12
    letters = (tmp_path / "dead-letters" / "dead_letters.jsonl").read_text().splitlines()
    assert [json.loads(line)["offset"] for line in letters] == list(range(12))
    assert state(tmp_path)["position"] == {"index": 12}


# stopping


def test_a_stop_in_the_middle_of_a_sleep_keeps_the_sleep(tmp_path: Path) -> None:
    long = settings(tmp_path, sleep__steps=1_000_000, sleep__steps_per_batch=0, daemon__at_end="serve")
    with running(build(long, source=MemorySource(STREAM))) as daemon:
        wait_until(lambda: daemon.state.asleep and daemon.learner.consolidation.steps > 20, "asleep")  # type: ignore[union-attr]
    kept = store(tmp_path).latest()
    assert (
        kept is not None
        and kept.facts["learner"]["consolidation_steps"] > 20
        and "consolidation" in kept.tensors
    )


def test_a_stop_while_the_source_is_lost_drains(tmp_path: Path) -> None:
    source = MemorySource(STREAM, finite=False)
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: learned(daemon) > 30, "some was learned")
        source.outage = True
        wait_until(lambda: not daemon.requests.connected, "the outage is seen")
    assert state(tmp_path)["position"] == daemon.state.position


def test_a_stop_while_the_source_cannot_be_reached_ends_soon_and_well(tmp_path: Path) -> None:
    source = KafkaSource(bootstrap_servers="127.0.0.1:1", topic="none", start_timeout_s=600)
    daemon = build(settings(tmp_path), source=source)
    with running(daemon):
        wait_until(lambda: daemon.requests.status().get("uptime_s"), "it serves")
    assert daemon.state.position is None and store(tmp_path).latest() is None


# requests


def test_a_request_to_sleep_is_granted_to_an_idle_daemon_and_to_a_busy_one(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:40], finite=False)
    config = settings(tmp_path, sleep__every_examples=None, sleep__steps_per_batch=1, sleep__steps=10)
    with running(build(config, source=source)) as daemon:
        wait_until(lambda: daemon.state.tally.messages == 40, "idle")
        ask(daemon, "/v1/sleep", {})
        wait_until(lambda: daemon.requests.status()["sleeps"]["adopted"] == 1, "slept while idle")
        ask(daemon, "/v1/sleep", {})
        source.extend(STREAM[40:])
        wait_until(lambda: daemon.requests.status()["sleeps"]["adopted"] == 2, "slept while busy")


def test_a_request_for_a_checkpoint_saves_what_an_idle_daemon_learned_since(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:40], finite=False)
    config = settings(tmp_path, checkpoint__every_examples=None, checkpoint__every_s=None)
    with running(build(config, source=source)) as daemon:
        wait_until(lambda: daemon.state.tally.messages == 40, "idle")
        assert source.committed is None
        ask(daemon, "/v1/checkpoint", {})
        wait_until(lambda: source.committed == {"index": 40}, "saved")


@pytest.mark.parametrize("asleep", [False, True])
def test_recollections_are_shown_between_two_batches_and_between_two_steps(
    tmp_path: Path, asleep: bool
) -> None:
    config = settings(
        tmp_path, daemon__at_end="serve", sleep__steps=1_000_000 if asleep else 5, sleep__steps_per_batch=0
    )
    with running(build(config, source=MemorySource(STREAM))) as daemon:
        wait_until(
            lambda: daemon.state.asleep if asleep else daemon.state.tally.messages == COUNT, "as wanted"
        )
        shown = ask(daemon, "/v1/recollections?per_class=3&format=json")["recollections"]
    labels = {one["label"] for one in shown}
    assert labels == ({0, 1} if asleep else {0, 1, 2, 3})
    assert all(1 <= len(one["inputs"]) <= 3 for one in shown)


def test_a_version_rolled_back_to_stays_after_a_restart(tmp_path: Path) -> None:
    source = MemorySource(STREAM, finite=False)
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: daemon.persistence.versions.numbers() == [1, 2], "two versions are kept")
        wait_until(
            lambda: source.committed == {"index": COUNT} and not daemon.state.asleep, "all was learned"
        )
        wait_until(lambda: daemon.requests.status()["model_version"].startswith("2."), "the status says so")
        ask(daemon, "/v1/rollback", {"version": 1})
        wait_until(lambda: daemon.requests.status()["model_version"].startswith("1."), "rolled back")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(daemon, "/v1/rollback", {"version": 77})
    with running(build(settings(tmp_path, daemon__at_end="serve"), source=MemorySource(STREAM))) as daemon:
        wait_until(lambda: daemon.requests.status().get("ready"), "restored")
        assert daemon.requests.status()["model_version"].startswith("1.")
        assert daemon.learner is not None and daemon.learner.progress.newest == 2
        ask(daemon, "/v1/sleep", {})
        wait_until(lambda: daemon.requests.status()["model_version"].startswith("3."), "a new version")


def test_a_rollback_gives_up_the_sleep_under_way(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:100], finite=False)
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: daemon.persistence.versions.numbers() == [1], "slept once")
        method = daemon.learner.method  # type: ignore[union-attr]
        method.sleep = method.sleep._replace(steps=1_000_000)
        ask(daemon, "/v1/sleep", {})
        wait_until(lambda: daemon.state.asleep, "asleep again")
        ask(daemon, "/v1/rollback", {"version": 1})
        wait_until(lambda: not daemon.state.asleep, "awake")
    assert figure(daemon, 'streamlearner_sleeps_total{outcome="interrupted"}') == 1
    assert figure(daemon, "streamlearner_asleep") == 0


def test_predictions_name_their_version_while_the_daemon_learns(tmp_path: Path) -> None:
    source, versions = MemorySource(STREAM[:40], finite=False), set()
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: daemon.requests.status().get("ready"), "a model")
        threading.Timer(0.1, source.extend, [STREAM[40:]]).start()
        wait_until(
            lambda: versions.add(predict(daemon)["model_version"]) or len(versions) > 3, "four versions"
        )
    assert all(version.count(".") == 1 for version in versions)


def test_what_the_status_says_once_it_has_ended_is_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped just after the status was looked after, which is not due for a second more."""
    daemon = build(settings(tmp_path), source=MemorySource([example(number) for number in range(100)]))

    def stopped_at_last(messages: int) -> bool:
        if daemon.state.tally.messages == 100:
            daemon.stop()
        return False

    monkeypatch.setattr(daemon.persistence, "due", stopped_at_last)
    daemon.run()
    status = daemon.status()
    assert (status["messages"], sum(status["examples"].values())) == (100, 100)
