"""A few kills on Ray's own multi-node test cluster; `make chaos-cluster N=130` is the long one."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.chaos_cluster import __main__ as command
from tests.chaos_cluster.asking import Asking
from tests.chaos_cluster.fates import Fate, drawn, wanted
from tests.chaos_cluster.rounds import a_round
from tests.support.daemon_process import free_port

EVENTS = int(os.environ.get("CHAOS_CLUSTER_EVENTS", "0"))
"""Not by default: a node ends where its agent takes more than 15 s to start, as beside other tests."""
PATIENCE_S = 300.0


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.skipif(not EVENTS, reason="CHAOS_CLUSTER_EVENTS says how many kills; it needs an idle machine")
def test_each_example_counts_once_and_predictions_are_answered_whatever_is_killed(
    broker: Any, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="ray is not installed (the extra `cluster`)")
    kinds = drawn(EVENTS, Counter(), most=EVENTS, seed=1)
    told = a_round(broker, tmp_path, kinds=kinds, seed=1, nodes=2, begin_s=PATIENCE_S, end_s=PATIENCE_S)
    assert told["events"] == wanted(EVENTS)
    assert told["predictions"]["answered"] > 10 and told["versions"] > 0


def test_a_prediction_that_fails_while_nothing_was_killed_is_no_excuse() -> None:
    asking = Asking(free_port())
    asking.failed += [(1.0, 3.0, "cut off"), (5.0, 6.0, "refused")]
    assert asking.unexplained([(2.0, 2.5)]) == [(5.0, 6.0, "refused")]
    assert asking.unexplained([(3.5, 4.5)]) == asking.failed, "between them"
    assert asking.unexplained([(0.0, 1.5), (5.5, 9.0)]) == [], "sent, or failed, while one was being killed"
    asking.stop()
    assert asking.answered == 0 and len(asking.failed) == 2, "nobody answered yet: nothing to count"


def test_of_130_events_100_are_kills_20_other_numbers_of_learners_and_10_frozen_ones() -> None:
    kinds = wanted(130)
    assert sum(kinds[kind] for kind in ("learner", "consolidator", "replica", "raylet")) == 100
    assert (kinds["scale"], kinds["freeze"], kinds.total()) == (20, 10, 130)
    for events in range(60):
        assert wanted(events).total() == events


class Busy:
    """Nodes of which nothing but the number of learners can be changed for a while."""

    def __init__(self) -> None:
        self.asked = 0

    def learners(self) -> list[int]:
        self.asked += 1
        return [] if self.asked < 3 else [_NOBODY]

    consolidator = replicas = learners

    def scale(self, learners: int) -> None:
        assert 1 <= learners <= 4


_NOBODY = 2**22 + 1
"""No process has this id: Linux has none above 2**22."""


def test_what_cannot_happen_now_happens_later() -> None:
    nodes: Any = Busy()
    fate = Fate(nodes, ["learner", "scale", "scale"], seed=0)
    for _ in range(5):
        assert fate.left
        fate.strike()
    assert fate.left == [] and fate.happened == {"learner": 1, "scale": 2}


def test_an_interrupted_run_goes_on_from_its_log_to_exactly_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds: list[int] = []

    def survived(broker: Any, folder: Path, *, kinds: list[str], seed: int, **_: Any) -> dict[str, Any]:
        assert folder.is_dir()
        if seeds and seed == 2 and seeds[-1] != 2:
            seeds.append(seed)
            raise KeyboardInterrupt
        seeds.append(seed)
        told = {"answered": 7, "failed_in_flight": 1}
        return {"events": dict(Counter(kinds)), "examples": 100, "predictions": told}

    @contextmanager
    def no_broker(folder: Path) -> Any:
        yield None

    monkeypatch.setattr(command, "a_round", survived)
    monkeypatch.setattr(command, "running_broker", no_broker)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    log = tmp_path / "a" / "log.jsonl"
    monkeypatch.setattr(sys, "argv", ["chaos", "--events", "130", "--round", "40", "--log", str(log)])
    with pytest.raises(KeyboardInterrupt):
        command.main()
    assert sum(command.happened(command.read(log)).values()) == 80
    assert command.main() == 0 and seeds == [0, 1, 2, 2, 3]
    assert command.happened(command.read(log)) == wanted(130)
    assert command.main() == 0, "all have happened"
    assert "130 events in 4 clusters" in capsys.readouterr().out.splitlines()[-1]
