"""What happens in the daemon is told in the log, once, with what a person needs to know."""

from __future__ import annotations

import pytest
import torch
from prometheus_client import CollectorRegistry

from streamlearner.daemon.events import Events
from streamlearner.daemon.intake import TakenBatch
from streamlearner.decoding.batch import Batch
from streamlearner.evaluation.adaptive_window import Change
from streamlearner.learning.results import ConsolidationResult, LearningResult
from streamlearner.learning.served_accuracy import Fall
from streamlearner.methods.code_choice import CodeChoice
from streamlearner.networks.refused_steps import REFUSED
from streamlearner.telemetry.metrics import Metrics


def events() -> Events:
    return Events(metrics=Metrics(CollectorRegistry()), clock=float, wall_clock=float)


def ended(*, adopted: bool, losing: int) -> ConsolidationResult:
    losses = {f"class {n}": (1.0, n / 10) for n in range(losing)}
    return ConsolidationResult(adopted=adopted, steps=5, before=0.9, after=0.8, version=1, losses=losses)


def a_batch() -> TakenBatch:
    batch = Batch(inputs=torch.zeros(1, 1), labels=("a",), tasks=(None,), ids=(None,))
    return TakenBatch(messages=1, batch=batch, rejects={}, duplicates=0, tombstones=0, position={})


def test_a_fall_of_served_accuracy_is_told_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    told = events()
    change = Change(before=0.9, after=0.25, width=64)
    result = LearningResult(
        withheld=0, learned=1, observation=None, falls=[Fall("cat", change), Fall(None, change)]
    )
    told.batch_taken(a_batch(), result=result, learner=None, seconds=0.1)
    assert warnings(caplog) == [
        f"served accuracy {what} fell from 90.0% to 25.0%, in the last 64 answers: {why}"
        for what, why in (
            ("of cat", "labels or inputs changed"),
            ("overall", "new classes came, or labels or inputs changed"),
        )
    ]
    shown = told.metrics.exposition().decode()
    for of in ("class", "overall"):
        assert f'streamlearner_accuracy_falls_total{{of="{of}"}} 1.0' in shown


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_refused_codes_are_told_with_the_setting_to_look_at_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told, code = events(), CodeChoice(before=2.5, after=0.5, code_bits=(140, 280), recollections=99)
    result = LearningResult(withheld=0, learned=1, observation=None, code=code)
    told.batch_taken(a_batch(), result=result, learner=None, seconds=0.1)
    (line,) = warnings(caplog)
    for said in ("140 bits are refused", "2.50 of that of the mean", "280 bits", "memory.budget_bits"):
        assert said in line
    assert "streamlearner_codes_refused_total 1.0" in told.metrics.exposition().decode()


def test_a_refused_sleep_says_which_classes_would_have_lost(caplog: pytest.LogCaptureFixture) -> None:
    events().consolidation_ended(ended(adopted=False, losing=2))
    assert warnings(caplog) == [
        "refused: adopted, it would have lost class 0 (100% to 0%), class 1 (100% to 10%)"
    ]


def test_of_many_classes_the_worst_are_named(caplog: pytest.LogCaptureFixture) -> None:
    events().consolidation_ended(ended(adopted=False, losing=9))
    (line,) = warnings(caplog)
    assert "class 4 (100% to 40%) and 4 more" in line
    assert "class 5" not in line


def test_an_adopted_sleep_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    events().consolidation_ended(ended(adopted=True, losing=1))
    assert warnings(caplog) == []


def test_steps_that_were_refused_are_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    REFUSED.add()  # before this daemon began
    told = events()
    for _ in range(2):
        REFUSED.add()
        told.batch_taken(a_batch(), result=None, learner=None, seconds=0.1)
        REFUSED.add()
        told.steps_done(1)
    assert told.refused_steps == 4
    assert "streamlearner_learn_steps_refused_total 4.0" in told.metrics.exposition().decode()
    assert len(warnings(caplog)) == 1
