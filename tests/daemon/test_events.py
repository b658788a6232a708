"""What happens in the daemon is told in the log, once, with what a person needs to know."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from streamlearner.daemon.events import Events
from streamlearner.learning.consolidation import ConsolidationResult
from streamlearner.telemetry.metrics import Metrics


def events() -> Events:
    return Events(metrics=Metrics(CollectorRegistry()), clock=float, wall_clock=float)


def ended(*, adopted: bool, losing: int) -> ConsolidationResult:
    losses = {f"class {n}": (1.0, n / 10) for n in range(losing)}
    return ConsolidationResult(adopted=adopted, steps=5, before=0.9, after=0.8, version=1, losses=losses)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_refused_sleep_says_which_classes_would_have_lost(caplog: pytest.LogCaptureFixture) -> None:
    events().consolidation_ended(ended(adopted=False, losing=2))
    assert warnings(caplog) == ["adopted, it would have lost: class 0 (100% to 0%), class 1 (100% to 10%)"]


def test_of_many_classes_the_worst_are_named(caplog: pytest.LogCaptureFixture) -> None:
    events().consolidation_ended(ended(adopted=False, losing=9))
    (line,) = warnings(caplog)
    assert "class 4 (100% to 40%) and 4 more" in line
    assert "class 5" not in line


def test_an_adopted_sleep_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    events().consolidation_ended(ended(adopted=True, losing=1))
    assert warnings(caplog) == []
