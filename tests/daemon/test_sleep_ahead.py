"""A batch that would replace what a sleep still needs waits for the steps of the sleep; no other one does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import IDLE_SLEEP_STEPS, Daemon
from streamlearner.memory.lent_records import SHARE
from tests.support.daemon_runs import a_stream, differing, learned, predict, run, settings, state, store

COUNT = 200
STREAM = a_stream(COUNT)
LONG: dict[str, Any] = {"sleep__steps": 150, "sleep__steps_per_batch": 1}
"""Sleeps that go on over more batches than the small memory can set aside records for."""


class Look:
    """Looks at a daemon after each of its rounds."""

    def __init__(self, daemon: Daemon, *, until: Callable[[Daemon], bool] = lambda daemon: False) -> None:
        self.daemon, self.until = daemon, until
        self.most_ahead_in_a_round = self.dream = self.answered = 0
        self._ahead = 0
        daemon.consolidate = self.consolidate  # type: ignore[method-assign]

    def consolidate(self) -> None:
        learner = self.daemon.learner
        now = learner.consolidation if learner else None
        if learner and now:
            self.most_ahead_in_a_round = max(self.most_ahead_in_a_round, now.ahead - self._ahead)
            self._ahead = now.ahead
            self.dream = max(self.dream, learner.stored_bits()["dream"])
            if now.ahead > 0 and not now.taught:
                predict(self.daemon)
                self.answered += 1
        else:
            self._ahead = 0
        Daemon.consolidate(self.daemon)
        if self.until(self.daemon):
            self.daemon.stop()


def in_the_middle_of_it(daemon: Daemon) -> bool:
    now = daemon.learner.consolidation if daemon.learner else None
    return now is not None and now.ahead >= 2 * IDLE_SLEEP_STEPS and not now.taught


def taught(daemon: Daemon) -> bool:
    now = daemon.learner.consolidation if daemon.learner else None
    return now is not None and now.taught and now.ahead > 20


def test_the_batch_waits_for_a_few_steps_at_a_time_while_predictions_are_answered(tmp_path: Path) -> None:
    config = settings(tmp_path, **LONG)
    daemon = build(config, source=MemorySource(STREAM))
    look = Look(daemon)
    daemon.run()
    assert daemon.learner is not None and daemon.learner.progress.adopted >= 1
    assert look.answered > 3
    assert 0 < look.most_ahead_in_a_round <= IDLE_SLEEP_STEPS
    assert look.dream <= SHARE * config.memory.budget_bits


@pytest.mark.parametrize("where", [in_the_middle_of_it, taught])
def test_a_daemon_that_was_stopped_there_comes_to_the_end_of_the_calm_run(
    tmp_path: Path, where: Callable[[Daemon], bool]
) -> None:
    calm, harmed = (settings(tmp_path / name, **LONG) for name in ("calm", "harmed"))
    run(calm, MemorySource(STREAM))
    stopped = build(harmed, source=MemorySource(STREAM))
    Look(stopped, until=where)
    stopped.run()
    newest = store(tmp_path / "harmed").latest()
    assert newest is not None and newest.facts["learner"]["consolidation_steps"] is not None
    assert 0 < learned(stopped) < COUNT - 20
    run(harmed, MemorySource(STREAM))
    assert not differing(state(tmp_path / "harmed"), state(tmp_path / "calm"))


def test_no_step_is_taken_ahead_while_no_batch_waits(tmp_path: Path) -> None:
    """The sleep then goes on at its own pace, and nothing is replaced."""
    config = settings(tmp_path, **LONG, daemon__linger_s=3_600.0, daemon__at_end="serve")
    daemon = build(config, source=MemorySource(STREAM[:87], finite=False))
    ahead: list[int] = []

    def after_a_while(daemon: Daemon) -> bool:
        now = daemon.learner.consolidation if daemon.learner else None
        if now is not None and daemon.state.tally.messages == 85:
            ahead.append(now.ahead)
        return len(ahead) == 10

    Look(daemon, until=after_a_while)
    daemon.run()
    assert set(ahead[1:]) == {ahead[1]}
