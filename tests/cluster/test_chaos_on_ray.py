"""A few kills on Ray's own multi-node test cluster; `make chaos-cluster N=130` is the long one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.chaos_cluster.asking import Asking
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
    told = a_round(broker, tmp_path, events=EVENTS, seed=1, nodes=2, begin_s=PATIENCE_S, end_s=PATIENCE_S)
    assert sum(told["events"].values()) == EVENTS
    assert told["predictions"]["answered"] > 10 and told["versions"] > 0


def test_a_prediction_that_fails_while_nothing_was_killed_is_no_excuse() -> None:
    asking = Asking(free_port())
    asking.failed += [(1.0, 3.0, "cut off"), (5.0, 6.0, "refused")]
    assert asking.unexplained([2.0]) == [(5.0, 6.0, "refused")]
    asking.stop()
    assert asking.answered == 0 and len(asking.failed) == 2, "nobody answered yet: nothing to count"
