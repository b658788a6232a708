"""The daemon on a stream in memory: what it learns, survives, refuses and answers."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka import KafkaSource
from connectors.memory import Crash, MemorySource
from streamlearner.app import build
from streamlearner.checkpoint import CheckpointStore
from streamlearner.daemon import Daemon
from streamlearner.errors import CheckpointError, ConfigError, NoReadableCheckpoint, StreamlearnerError
from streamlearner.stream import Reject
from tests.checkpoint_store import hidden_names, spoil
from tests.daemon_runs import (
    a_mixed_stream,
    a_stream,
    differing,
    example,
    garbage,
    run,
    run_with_crashes,
    running,
    settings,
    state,
    store,
    wait_until,
)

COUNT = 200
STREAM = a_stream(COUNT)


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


# figures


def test_a_finite_stream_is_learned_once_and_the_run_ends_with_a_checkpoint(tmp_path: Path) -> None:
    daemon = run(settings(tmp_path), MemorySource(STREAM))
    assert daemon.learner is not None
    progress, tally = daemon.learner.progress, daemon.tally
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
    assert daemon.learner is None and daemon.tally.rejected == 12
    letters = (tmp_path / "dead-letters" / "dead_letters.jsonl").read_text().splitlines()
    assert [json.loads(line)["offset"] for line in letters] == list(range(12))
    assert state(tmp_path)["position"] == {"index": 12}


# crashes


@pytest.mark.parametrize("steps_per_batch", [0, 3])
def test_crashes_anywhere_leave_no_trace_in_the_end(tmp_path: Path, steps_per_batch: int) -> None:
    calm, harmed = (
        settings(tmp_path / name, sleep__steps_per_batch=steps_per_batch) for name in ("calm", "harmed")
    )
    run(calm, MemorySource(STREAM))
    run_with_crashes(harmed, STREAM, at=[3, 62, 77, 130, 171, 199])
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


@pytest.mark.parametrize(
    "more",
    [
        {"method__name": "finetune"},
        {"method__name": "rehearsal"},
        {"memory__sampling": "balanced", "exam__fraction": 0.4},
        {"association__name": "gumbel", "association__variables": 8},
        {"codec__tasks": "ignore", "sleep__on_memory_full": True, "sleep__drift": 0.1},
        {"daemon__batch_size": 7, "codec__remembered_ids": 10, "evaluation__prequential_window": 13},
    ],
    ids=lambda more: next(iter(more.values())),
)
def test_crashes_leave_no_trace_whoever_learns_and_however(tmp_path: Path, more: dict[str, Any]) -> None:
    calm, harmed = (settings(tmp_path / name, **more) for name in ("calm", "harmed"))
    stream = a_mixed_stream(120)
    run(calm, MemorySource(stream))
    run_with_crashes(harmed, stream, at=[44, 73, 101])
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def test_a_checkpoint_of_a_sleep_under_way_is_dreamt_on_to_the_same_end(tmp_path: Path) -> None:
    calm, harmed = (
        settings(tmp_path / name, checkpoint__every_examples=5, sleep__steps_per_batch=2)
        for name in ("calm", "harmed")
    )
    run(calm, MemorySource(STREAM))
    halted = build(harmed, source=MemorySource(STREAM))
    dreaming_at = 0

    def stop_asleep() -> None:
        nonlocal dreaming_at
        Daemon.dream(halted)
        if halted.asleep and learned(halted) > 90:
            dreaming_at = learned(halted)
            halted.stop()

    halted.dream = stop_asleep  # type: ignore[method-assign]
    halted.run()
    kept = store(tmp_path / "harmed").latest()
    assert dreaming_at and kept is not None and kept.facts["learner"]["dream_steps"] > 0
    run(harmed, MemorySource(STREAM))
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def test_a_torn_newest_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    calm, harmed = settings(tmp_path / "calm"), settings(tmp_path / "harmed")
    run(calm, MemorySource(STREAM))
    run(harmed, MemorySource([*STREAM[:150], Crash()]))
    newest = store(tmp_path / "harmed").entries()[-1].number
    spoil(tmp_path / "harmed" / "checkpoints" / f"{newest:012d}" / "method.safetensors")
    daemon = run(harmed, MemorySource(STREAM))
    assert daemon.tally.messages == COUNT
    assert figure(daemon, "streamlearner_checkpoint_unreadable_total") == 1
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def figure(daemon: Daemon, series: str) -> float:
    """One sample of what Prometheus would scrape."""
    lines = daemon.reporter.metrics.exposition().decode().splitlines()
    (value,) = (line.removeprefix(series + " ") for line in lines if line.startswith(series + " "))
    return float(value)


def test_where_no_checkpoint_can_be_read_a_person_must_decide(tmp_path: Path) -> None:
    run(settings(tmp_path), MemorySource(STREAM))
    for facts in (tmp_path / "checkpoints").glob("*/facts.json"):
        spoil(facts)
    with pytest.raises(NoReadableCheckpoint) as refused:
        build(settings(tmp_path), source=MemorySource(STREAM)).run()
    assert refused.value.exit_code == 74


def test_a_checkpoint_of_another_method_is_refused_by_name(tmp_path: Path) -> None:
    run(settings(tmp_path), MemorySource(STREAM))
    other = build(settings(tmp_path, method__name="finetune"), source=MemorySource(STREAM))
    with pytest.raises(ConfigError, match="recollection_replay, the configuration says finetune"):
        other.run()


# a disk that refuses


class Disk:
    """Every step of writing a checkpoint fails with `code` while `refuses`."""

    def __init__(self, code: int = errno.ENOSPC) -> None:
        self.code = code
        self.refuses = False

    def fault(self, step: str) -> None:
        if self.refuses:
            raise OSError(self.code, os.strerror(self.code))


def on(disk: Disk, state_dir: Path, source: MemorySource, **more: Any) -> Daemon:
    daemon = build(settings(state_dir, **more), source=source)
    daemon.archive.checkpoints = CheckpointStore(
        state_dir / "checkpoints", keep=3, clock=time.time, fault=disk.fault
    )
    return daemon


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_disk_that_refuses_pauses_the_stream_not_the_answers_and_nothing_is_lost(
    tmp_path: Path, code: int
) -> None:
    run(settings(tmp_path / "calm"), MemorySource(STREAM))
    disk, source = Disk(code), MemorySource(STREAM[:60], finite=False)
    with running(on(disk, tmp_path / "harmed", source)) as daemon:
        wait_until(lambda: source.committed == {"index": 60}, "the first part is in a checkpoint")
        disk.refuses = True
        source.extend(STREAM[60:])
        status = wait_until(
            lambda: (s := daemon.reception.status())["waiting_for_checkpoint"] and s, "the stream waits"
        )
        paused_at = daemon.tally.messages
        assert 60 < paused_at < COUNT and not daemon.reception.learning
        failed = 'streamlearner_checkpoint_saves_total{outcome="failed"}'
        wait_until(lambda: figure(daemon, failed) >= 3, "it was tried again")
        assert predict(daemon)["model_version"] == status["model_version"]
        assert daemon.tally.messages == paused_at
        assert hidden_names(tmp_path / "harmed" / "checkpoints") == []
        disk.refuses = False
        wait_until(lambda: source.committed == {"index": COUNT} and not daemon.asleep, "all was learned")
        assert daemon.reception.learning
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def test_a_stop_on_a_full_disk_says_that_the_last_checkpoint_is_missing(tmp_path: Path) -> None:
    disk, source = Disk(), MemorySource(STREAM, finite=False)
    with (
        pytest.raises(CheckpointError, match="nothing is lost"),
        running(on(disk, tmp_path, source)) as daemon,
    ):
        wait_until(lambda: learned(daemon) > 50, "some was learned")
        disk.refuses = True
        wait_until(lambda: daemon.archive.waiting or daemon.tally.messages == COUNT, "no more is taken")


class Letters:
    """Dead letters that a broker does not acknowledge while `away`."""

    def __init__(self) -> None:
        self.away = True
        self.waiting: list[Reject] = []
        self.kept: list[Reject] = []

    def write(self, rejects: list[Reject]) -> None:
        self.waiting += rejects

    def flush(self, timeout_s: float) -> None:
        if self.away and self.waiting:
            raise StreamlearnerError("not acknowledged")
        self.kept += self.waiting
        self.waiting = []

    def close(self) -> None:
        """Nothing is held."""


def test_no_checkpoint_passes_a_reject_that_is_not_durable(tmp_path: Path) -> None:
    letters, source = Letters(), MemorySource(STREAM, finite=False)
    daemon = build(settings(tmp_path), source=source)
    daemon.archive.dead_letters = daemon.intake.dead_letters = letters
    with running(daemon):
        wait_until(lambda: daemon.archive.waiting, "the checkpoint waits")
        first = min(reject.message.offset for reject in letters.waiting)
        newest = store(tmp_path).latest()
        assert newest is None or newest.manifest.position["index"] <= first
        assert figure(daemon, "streamlearner_dead_letters_pending") >= 1
        letters.away = False
        wait_until(lambda: source.committed == {"index": COUNT}, "all was learned")
    assert figure(daemon, "streamlearner_dead_letters_pending") == 0
    assert figure(daemon, 'streamlearner_dead_letters_total{outcome="delivered"}') == 6
    assert [reject.message.offset for reject in letters.kept] == [28, 57, 86, 115, 144, 173]


# stopping


def test_a_stop_in_the_middle_of_a_sleep_keeps_the_sleep(tmp_path: Path) -> None:
    long = settings(tmp_path, sleep__steps=1_000_000, sleep__steps_per_batch=0, daemon__at_end="serve")
    with running(build(long, source=MemorySource(STREAM))) as daemon:
        wait_until(lambda: daemon.asleep and daemon.learner.dream.steps > 20, "asleep")  # type: ignore[union-attr]
    kept = store(tmp_path).latest()
    assert kept is not None and kept.facts["learner"]["dream_steps"] > 20 and "dream" in kept.tensors


def test_a_stop_while_the_source_is_lost_drains(tmp_path: Path) -> None:
    source = MemorySource(STREAM, finite=False)
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: learned(daemon) > 30, "some was learned")
        source.outage = True
        wait_until(lambda: not daemon.reception.connected, "the outage is seen")
    assert state(tmp_path)["position"] == daemon.position


def test_a_stop_while_the_source_cannot_be_reached_ends_soon_and_well(tmp_path: Path) -> None:
    source = KafkaSource(bootstrap_servers="127.0.0.1:1", topic="none", start_timeout_s=600)
    daemon = build(settings(tmp_path), source=source)
    with running(daemon):
        wait_until(lambda: daemon.reception.status().get("uptime_s"), "it serves")
    assert daemon.position is None and store(tmp_path).latest() is None


# requests


def test_a_request_to_sleep_is_granted_to_an_idle_daemon_and_to_a_busy_one(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:40], finite=False)
    config = settings(tmp_path, sleep__every_examples=None, sleep__steps_per_batch=1, sleep__steps=10)
    with running(build(config, source=source)) as daemon:
        wait_until(lambda: daemon.tally.messages == 40, "idle")
        ask(daemon, "/v1/sleep", {})
        wait_until(lambda: daemon.reception.status()["sleeps"]["adopted"] == 1, "slept while idle")
        ask(daemon, "/v1/sleep", {})
        source.extend(STREAM[40:])
        wait_until(lambda: daemon.reception.status()["sleeps"]["adopted"] == 2, "slept while busy")


def test_a_request_for_a_checkpoint_saves_what_an_idle_daemon_learned_since(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:40], finite=False)
    config = settings(tmp_path, checkpoint__every_examples=None, checkpoint__every_s=None)
    with running(build(config, source=source)) as daemon:
        wait_until(lambda: daemon.tally.messages == 40, "idle")
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
        wait_until(lambda: daemon.asleep if asleep else daemon.tally.messages == COUNT, "as wanted")
        shown = ask(daemon, "/v1/recollections?per_class=3&format=json")["recollections"]
    labels = {one["label"] for one in shown}
    assert labels == ({0, 1} if asleep else {0, 1, 2, 3})
    assert all(1 <= len(one["inputs"]) <= 3 for one in shown)


def test_a_version_rolled_back_to_stays_after_a_restart(tmp_path: Path) -> None:
    source = MemorySource(STREAM, finite=False)
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: daemon.archive.versions.numbers() == [1, 2], "two versions are kept")
        wait_until(lambda: source.committed == {"index": COUNT} and not daemon.asleep, "all was learned")
        ask(daemon, "/v1/rollback", {"version": 1})
        wait_until(lambda: daemon.reception.status()["model_version"].startswith("1."), "rolled back")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(daemon, "/v1/rollback", {"version": 77})
    with running(build(settings(tmp_path, daemon__at_end="serve"), source=MemorySource(STREAM))) as daemon:
        wait_until(lambda: daemon.reception.status().get("ready"), "restored")
        assert daemon.reception.status()["model_version"].startswith("1.")
        assert daemon.learner is not None and daemon.learner.progress.newest == 2
        ask(daemon, "/v1/sleep", {})
        wait_until(lambda: daemon.reception.status()["model_version"].startswith("3."), "a new version")


def test_a_rollback_gives_up_the_sleep_under_way(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:100], finite=False)
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: daemon.archive.versions.numbers() == [1], "slept once")
        daemon.learner.method.sleep_steps = 1_000_000  # type: ignore[union-attr]
        ask(daemon, "/v1/sleep", {})
        wait_until(lambda: daemon.asleep, "asleep again")
        ask(daemon, "/v1/rollback", {"version": 1})
        wait_until(lambda: not daemon.asleep, "awake")
    assert figure(daemon, 'streamlearner_sleeps_total{outcome="interrupted"}') == 1
    assert figure(daemon, "streamlearner_asleep") == 0


def test_predictions_name_their_version_while_the_daemon_learns(tmp_path: Path) -> None:
    source, versions = MemorySource(STREAM[:40], finite=False), set()
    with running(build(settings(tmp_path), source=source)) as daemon:
        wait_until(lambda: daemon.reception.status().get("ready"), "a model")
        threading.Timer(0.1, source.extend, [STREAM[40:]]).start()
        wait_until(
            lambda: versions.add(predict(daemon)["model_version"]) or len(versions) > 3, "four versions"
        )
    assert all(version.count(".") == 1 for version in versions)
