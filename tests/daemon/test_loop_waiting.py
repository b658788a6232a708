"""A daemon that cannot write waits, answers meanwhile, and loses nothing."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon import persistence
from streamlearner.daemon.loop import Daemon
from streamlearner.errors import CheckpointError, StreamlearnerError
from streamlearner.state.checkpoint import CheckpointStore
from streamlearner.stream import Message, Reject
from tests.support.checkpoint_store import hidden_names
from tests.support.daemon_runs import (
    a_stream,
    ask,
    differing,
    figure,
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
    daemon.persistence.checkpoints = CheckpointStore(
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
            lambda: (s := daemon.requests.status())["waiting_for_checkpoint"] and s, "the stream waits"
        )
        paused_at = daemon.state.tally.messages
        assert 60 < paused_at < COUNT and not daemon.requests.learning
        failed = 'streamlearner_checkpoint_saves_total{outcome="failed"}'
        wait_until(lambda: figure(daemon, failed) >= 3, "it was tried again")
        assert predict(daemon)["model_version"] == status["model_version"]
        assert daemon.state.tally.messages == paused_at
        assert hidden_names(tmp_path / "harmed" / "checkpoints") == []
        disk.refuses = False
        wait_until(
            lambda: source.committed == {"index": COUNT} and not daemon.state.asleep, "all was learned"
        )
        assert daemon.requests.learning
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def test_a_stop_on_a_full_disk_says_that_the_last_checkpoint_is_missing(tmp_path: Path) -> None:
    disk, source = Disk(), MemorySource(STREAM, finite=False)
    with (
        pytest.raises(CheckpointError, match="nothing is lost"),
        running(on(disk, tmp_path, source)) as daemon,
    ):
        wait_until(lambda: learned(daemon) > 50, "some was learned")
        disk.refuses = True
        wait_until(
            lambda: daemon.persistence.waiting or daemon.state.tally.messages == COUNT, "no more is taken"
        )


def test_weights_that_are_not_finite_never_take_the_place_of_a_good_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = MemorySource(STREAM[:60], finite=False)
    with (
        pytest.raises(CheckpointError, match="nothing is lost"),
        running(build(settings(tmp_path), source=source)) as daemon,
    ):
        wait_until(
            lambda: source.committed == {"index": 60} and not daemon.state.asleep, "the first part is saved"
        )
        assert daemon.state.learner is not None
        with torch.no_grad():
            next(daemon.state.learner.method.hippocampus.parameters()).fill_(torch.nan)
        source.extend(STREAM[60:])
        wait_until(lambda: daemon.persistence.waiting, "the stream waits")
        wait_until(lambda: not daemon.requests.learning, "/readyz is not ready")
        said = "is not finite, and no checkpoint is saved"
        wait_until(lambda: said in daemon.status()["doubts"].get("diverged", ""), "it is a doubt")
        assert figure(daemon, 'streamlearner_checkpoint_saves_total{outcome="failed"}') >= 1
    newest = store(tmp_path).latest()
    assert newest is not None and newest.manifest.position == {"index": 60}
    assert "is not finite: the model diverged, and the last good checkpoint stays" in caplog.text


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

    @property
    def waiting_bytes(self) -> int:
        return sum(len(reject.message.value or b"") for reject in self.waiting)

    def close(self) -> None:
        """Nothing is held."""


def test_rejects_that_their_place_does_not_take_are_bounded_and_then_the_stream_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persistence, "HELD_BYTES", 100_000)
    large = [Message(bytes(10_000), "memory", 0, n, headers=(("label", b"1"),)) for n in range(60)]
    letters, source = Letters(), MemorySource(large, finite=False)
    never = settings(tmp_path, checkpoint__every_examples=None, checkpoint__every_s=None)
    daemon = build(never, source=source)
    daemon.persistence.dead_letters = daemon.state.intake.dead_letters = letters
    with running(daemon):
        wait_until(lambda: daemon.persistence.waiting, "the stream waits")
        assert 100_000 <= letters.waiting_bytes <= 100_000 + 5 * 10_000
        letters.away = False
        wait_until(lambda: daemon.state.tally.messages == 60, "all are taken")
    assert [reject.message.offset for reject in letters.kept] == list(range(60))


def test_no_checkpoint_passes_a_reject_that_is_not_durable(tmp_path: Path) -> None:
    letters, source = Letters(), MemorySource(STREAM, finite=False)
    daemon = build(settings(tmp_path), source=source)
    daemon.persistence.dead_letters = daemon.state.intake.dead_letters = letters
    with running(daemon):
        wait_until(lambda: daemon.persistence.waiting, "the checkpoint waits")
        first = min(reject.message.offset for reject in letters.waiting)
        newest = store(tmp_path).latest()
        assert newest is None or newest.manifest.position["index"] <= first
        assert figure(daemon, "streamlearner_dead_letters_pending") >= 1
        letters.away = False
        wait_until(lambda: source.committed == {"index": COUNT}, "all was learned")
    assert figure(daemon, "streamlearner_dead_letters_pending") == 0
    assert figure(daemon, 'streamlearner_dead_letters_total{outcome="delivered"}') == 6
    assert [reject.message.offset for reject in letters.kept] == [28, 57, 86, 115, 144, 173]


def test_a_rollback_that_no_checkpoint_holds_yet_is_not_served(tmp_path: Path) -> None:
    """A crash would take it back, and its name could come to mean other weights."""
    disk, source = Disk(), MemorySource(STREAM, finite=False)
    with running(on(disk, tmp_path, source)) as daemon:
        wait_until(lambda: source.committed == {"index": COUNT} and not daemon.state.asleep, "all learned")
        present = daemon.learner.progress.version  # type: ignore[union-attr]
        before = wait_until(lambda: predict(daemon)["model_version"], "served")
        disk.refuses = True
        ask(daemon, "/v1/rollback", {"version": present})
        wait_until(lambda: daemon.learner.progress.rollbacks == 1, "rolled back")  # type: ignore[union-attr]
        wait_until(
            lambda: figure(daemon, 'streamlearner_checkpoint_saves_total{outcome="failed"}') >= 2,
            "tried again",
        )
        assert predict(daemon)["model_version"] == before
        disk.refuses = False
        wait_until(lambda: predict(daemon)["model_version"].endswith(".1"), "served once it is kept")
