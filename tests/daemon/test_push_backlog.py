"""A push log that is full of what older checkpoints would read again is made room in."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner.app import build
from streamlearner.daemon.loop import Daemon
from streamlearner.decoding.inputs import wire_input
from tests.support.daemon_runs import ask, kept_checkpoints, running, settings, store, wait_until


def examples(count: int) -> dict[str, Any]:
    images = [np.random.default_rng(n).integers(0, 60, (1, 6, 6), dtype=np.uint8) for n in range(count)]
    return {"examples": [{"input": wire_input(image), "label": n % 3} for n, image in enumerate(images)]}


def push(daemon: Daemon, count: int) -> int:
    """How many were taken; 0 where the log is full."""
    try:
        return int(ask(daemon, "/v1/examples", examples(count))["accepted"])
    except urllib.error.HTTPError as refused:
        with refused:
            assert refused.code == 429, refused.read()
        return 0


def pushed(state_dir: Path, **more: Any) -> Daemon:
    given = {"source__type": "push", "daemon__at_end": "serve", "checkpoint__every_s": 0.2} | more
    return build(settings(state_dir, **given))


CAPS: list[dict[str, Any]] = [
    {"source__push__max_backlog_messages": 40},
    {"source__push__max_backlog_bytes": 6_000},
    {"source__push__max_backlog_messages": 40, "checkpoint__every_s": None, "checkpoint__keep": 1},
]


@pytest.mark.parametrize("cap", CAPS, ids=["messages", "bytes", "by count alone"])
def test_a_log_that_is_full_of_what_was_learned_takes_more_again(tmp_path: Path, cap: dict[str, Any]) -> None:
    with running(pushed(tmp_path, checkpoint__every_examples=1_000, **cap)) as daemon:
        wait_until(lambda: daemon.requests.learning, "the daemon runs")
        taken = 0
        for _ in range(6):  # several times what the log may hold
            taken += wait_until(lambda: push(daemon, 20), "the log takes 20 more")
        wait_until(lambda: daemon.state.tally.messages == taken, "all was learned")
    assert taken == 120


def test_a_log_that_nobody_writes_to_keeps_what_older_checkpoints_would_read_again(tmp_path: Path) -> None:
    """Full, but nothing was turned away: the checkpoints stay where they are."""
    with running(pushed(tmp_path, source__push__max_backlog_messages=40)) as daemon:
        wait_until(lambda: daemon.requests.learning, "the daemon runs")
        assert push(daemon, 40) == 40
        wait_until(lambda: daemon.state.source.position["offset"] == 41, "all was polled")
        daemon.requests.request_checkpoint()
        wait_until(lambda: store(tmp_path).latest(), "a checkpoint")
        positions = [each.manifest.position for each in kept_checkpoints(tmp_path)]
    assert len(positions) == len({position["offset"] for position in positions})


def test_an_append_that_no_empty_log_could_hold_is_refused_for_good(tmp_path: Path) -> None:
    with running(pushed(tmp_path, source__push__max_backlog_messages=10)) as daemon:
        wait_until(lambda: daemon.requests.learning, "the daemon runs")
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(daemon, "/v1/examples", examples(11))
        assert refused.value.code == 413
        refused.value.close()
