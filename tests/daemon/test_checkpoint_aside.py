"""A large checkpoint is written while more is learned, and holds what there was when it began."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon import persistence
from streamlearner.daemon.loop import Daemon
from streamlearner.state.checkpoint import CheckpointStore
from tests.support.daemon_runs import (
    a_stream,
    ask,
    differing,
    figure,
    kept_checkpoints,
    run,
    running,
    settings,
    state,
    store,
    wait_until,
)

STREAM = a_stream(200)
FIRST = 20
"""Messages after which the first checkpoint is due."""
FAILED = 'streamlearner_checkpoint_saves_total{outcome="failed"}'
AWAKE: dict[str, Any] = {"sleep__every_examples": None}


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "ASIDE_BYTES", 0)


class SlowDisk:
    """Holds the thread that writes aside up until it may `go`; then the first step fails with `code`, if
    there is one."""

    def __init__(self) -> None:
        self.waits, self.go = threading.Event(), threading.Event()
        self.code = 0

    def fault(self, step: str) -> None:
        if not threading.current_thread().name.startswith("checkpoint"):
            return
        self.waits.set()
        assert self.go.wait(60)
        code, self.code = self.code, 0
        if code:
            raise OSError(code, os.strerror(code))


def on(disk: SlowDisk, state_dir: Path, source: MemorySource, **more: Any) -> Daemon:
    daemon = build(settings(state_dir, **more), source=source)
    daemon.persistence.checkpoints = CheckpointStore(
        state_dir / "checkpoints", keep=3, clock=time.time, fault=disk.fault
    )
    return daemon


def begun(daemon: Daemon, disk: SlowDisk) -> None:
    wait_until(disk.waits.is_set, "the first one is being written")


def test_what_is_learned_is_the_same_as_with_checkpoints_that_the_stream_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(settings(tmp_path / "aside"), MemorySource(STREAM))
    monkeypatch.setattr(persistence, "ASIDE_BYTES", 1 << 40)
    run(settings(tmp_path / "at once"), MemorySource(STREAM))
    assert not differing(state(tmp_path / "aside"), state(tmp_path / "at once"))


def test_more_is_learned_while_one_is_written_and_it_holds_what_there_was(tmp_path: Path) -> None:
    disk, source = SlowDisk(), MemorySource(STREAM[:FIRST], finite=False)
    with running(on(disk, tmp_path / "live", source, **AWAKE)) as daemon:
        begun(daemon, disk)
        source.extend(STREAM[FIRST:120])
        wait_until(lambda: daemon.state.tally.messages == 120, "more is learned")
        assert source.committed is None and not daemon.persistence.waiting
        disk.go.set()
        wait_until(lambda: source.committed is not None, "it is durable")
        number = store(tmp_path / "live").entries()[0].number
        written = store(tmp_path / "live").load(number)
    run(settings(tmp_path / "calm", **AWAKE), MemorySource(STREAM[:FIRST]))
    calm = store(tmp_path / "calm").latest()
    assert calm is not None and written.manifest.position == calm.manifest.position == {"index": FIRST}
    assert written.facts["learner"] == calm.facts["learner"]
    assert flat(written.tensors) == flat(calm.tensors)


def flat(tensors: dict[str, dict[str, Tensor]]) -> dict[str, bytes]:
    return {
        f"{file}/{name}": tensor.numpy().tobytes()
        for file, part in tensors.items()
        for name, tensor in part.items()
    }


def test_one_that_the_disk_refuses_makes_the_stream_wait_and_is_tried_again(tmp_path: Path) -> None:
    disk, source = SlowDisk(), MemorySource(STREAM[:FIRST], finite=False)
    disk.code = errno.ENOSPC
    with running(on(disk, tmp_path, source)) as daemon:
        begun(daemon, disk)
        disk.go.set()
        wait_until(lambda: figure(daemon, FAILED) == 1, "it fails")
        wait_until(
            lambda: source.committed == {"index": FIRST}, "it is tried again, and the stream waits for it"
        )


def test_who_asks_for_one_waits_for_the_one_before_and_a_stop_does_too(tmp_path: Path) -> None:
    disk, source = SlowDisk(), MemorySource(STREAM[:FIRST], finite=False)
    with running(on(disk, tmp_path, source)) as daemon:
        begun(daemon, disk)
        source.extend(STREAM[FIRST:40])
        wait_until(lambda: daemon.state.tally.messages == 40, "more is learned")
        asked = threading.Thread(target=ask, args=(daemon, "/v1/checkpoint", {}))
        asked.start()
        disk.go.set()
        asked.join(60)
        wait_until(lambda: source.committed == {"index": 40}, "both are durable")
    positions = [each.manifest.position for each in kept_checkpoints(tmp_path)]
    assert positions[:2] == [{"index": FIRST}, {"index": 40}]


def test_each_version_that_is_adopted_meanwhile_is_kept(tmp_path: Path) -> None:
    """The next one took its place where the disk was slow: no rollback to it, and no file of its weights."""
    disk, source = SlowDisk(), MemorySource(STREAM[:FIRST], finite=False)
    more = {"sleep__tolerance": 1.0, "sleep__every_examples": 20, "sleep__min_examples": 10}
    with running(on(disk, tmp_path, source, **more)) as daemon:
        begun(daemon, disk)
        source.extend(STREAM[FIRST:])
        wait_until(lambda: newest(daemon) >= 1, "a sleep is adopted")
        time.sleep(0.5)  # further ones, if it does not wait
        disk.go.set()
        wait_until(lambda: daemon.state.tally.messages == len(STREAM), "all is learned")
        wait_until(lambda: not daemon.state.asleep, "the last sleep ends")
    assert newest(daemon) >= 3
    assert daemon.persistence.versions.numbers() == [*range(1, newest(daemon) + 1)]


def newest(daemon: Daemon) -> int:
    return daemon.learner.progress.newest if daemon.learner else 0


def test_what_is_erased_meanwhile_is_not_taken_for_gone_from_the_one_being_written(tmp_path: Path) -> None:
    """Of three that are kept, none may hold it: the one that was being written counts for none."""
    disk, source = SlowDisk(), MemorySource(STREAM[:FIRST], finite=False)
    with running(on(disk, tmp_path, source)) as daemon:
        begun(daemon, disk)
        wait_until(lambda: daemon.persistence.saves == 1, "it counts while it is being written")
        disk.go.set()
        wait_until(lambda: source.committed == {"index": FIRST}, "it is durable")
        assert daemon.persistence.saves == 1
