"""A sleep of the learner: adopted or refused by the exam, in any portions of steps, and gone back on."""

from __future__ import annotations

import pytest
import torch

from streamlearner.evaluation.retention import ExamAccuracy
from streamlearner.learning.results import ConsolidationResult, judged
from streamlearner.state.versions import Version
from tests.support.arms import exactly
from tests.support.learners import (
    SLEEP_STEPS,
    of_classes,
    prepared,
    restarted,
    slept,
    with_oracle,
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_a_candidate_that_keeps_what_was_known_is_adopted_as_a_new_version() -> None:
    learner = prepared(retains=4)
    result = slept(learner)
    assert result == ConsolidationResult(adopted=True, steps=SLEEP_STEPS, before=1.0, after=1.0, version=1)
    assert not learner.asleep
    assert int(learner.method.neocortex.known) == 4
    assert (learner.progress.adopted, learner.progress.refused, learner.progress.period) == (1, 0, 1)
    assert str(learner.version) == f"1.{learner.progress.learned}"
    assert slept(learner).version == 2


def test_a_refused_candidate_changes_nothing() -> None:
    learner = prepared(retains=2)
    before = {name: exactly(tensor) for name, tensor in learner.method.state_dict().items()}
    result = slept(learner)
    losses = {"2": (1.0, 0.0), "3": (1.0, 0.0)}
    assert result == ConsolidationResult(
        adopted=False, steps=SLEEP_STEPS, before=1.0, after=0.5, version=0, losses=losses
    )
    assert {name: exactly(tensor) for name, tensor in learner.method.state_dict().items()} == before
    assert (learner.progress.adopted, learner.progress.refused, learner.progress.version) == (0, 1, 0)
    assert learner.evaluate().overall == 1.0
    assert learner.matrix.rows == [[1.0]]


def test_the_classes_that_would_have_lost_are_kept_over_a_restart_the_worst_first() -> None:
    learner = prepared(retains=2)
    slept(learner)
    kept = {
        "outcome": "refused",
        "before": 1.0,
        "after": 0.5,
        "losses": {"2": {"before": 1.0, "after": 0.0}, "3": {"before": 1.0, "after": 0.0}},
        "classes_losing": 2,
    }
    assert learner.last_sleep == kept
    assert restarted(learner, with_oracle()).last_sleep == kept


def test_of_very_many_classes_that_would_have_lost_the_worst_are_kept() -> None:
    then = {i: 1.0 for i in range(50)}
    now = {i: i / 100 for i in range(50)}
    before, after = (ExamAccuracy(sum(by.values()) / 50, by, {}, {}) for by in (then, now))
    result = judged(before, after, tolerance=0.1, steps=1, name=lambda index: f"class {index}")
    kept = result.document()
    assert list(kept["losses"]) == [f"class {i}" for i in range(20)]
    assert (kept["outcome"], kept["classes_losing"], len(result.losses)) == ("refused", 50, 50)


@pytest.mark.parametrize(("tolerance", "adopted"), [(0.24, False), (0.25, True)])
def test_the_tolerance_is_how_much_may_be_lost(tolerance: float, adopted: bool) -> None:
    assert slept(prepared(retains=3, tolerance=tolerance)).adopted is adopted


def answers(right: int, wrong: int) -> ExamAccuracy:
    """On an exam of one class."""
    hits = (True,) * right + (False,) * wrong
    return ExamAccuracy(right / (right + wrong), {0: right / (right + wrong)}, {}, {}, hits=hits)


@pytest.mark.parametrize(
    ("places", "lost", "significance", "outcome"),
    [
        (85, 1, 0.05, "undecided"),  # more than the tolerance, and no evidence
        (85, 4, 0.05, "undecided"),
        (85, 5, 0.05, "refused"),
        (85, 6, 0.01, "undecided"),
        (85, 1, 1.0, "refused"),  # the bare difference
        (1_000, 9, 0.05, "adopted"),  # evidence, within the tolerance
        (1, 0, 0.05, "undecided"),  # whatever it answered
        (1, 1, 0.05, "undecided"),
        (4, 4, 0.05, "undecided"),
        (5, 5, 0.05, "refused"),
        (5, 0, 0.05, "adopted"),
    ],
)
def test_a_candidate_is_refused_for_a_loss_that_chance_does_not_take(
    places: int, lost: int, significance: float, outcome: str
) -> None:
    before, after = answers(places, 0), answers(places - lost, lost)
    result = judged(before, after, tolerance=0.01, significance=significance, steps=1, name=str)
    found = "undecided" if result.undecided else result.outcome
    assert found == outcome
    assert result.adopted is (outcome != "refused")
    assert result.document().get("undecided", False) is (outcome == "undecided")


def test_without_an_exam_every_candidate_is_adopted() -> None:
    learner = with_oracle(fraction=0.0, retains=0)
    learner.learn(of_classes(["0", "1"]))
    result = slept(learner)
    assert (result.adopted, result.before, result.after) == (True, None, None)


def test_steps_may_come_in_any_portions_and_nothing_happens_awake() -> None:
    learner = prepared(retains=4)
    assert learner.consolidate(3) is None
    learner.begin_consolidation()
    assert [learner.consolidate(n) for n in (1, 0, 3, 1)] == [None] * 4
    result = learner.consolidate(1)
    assert result is not None
    assert result.steps == SLEEP_STEPS


def test_periods_count_sleeps_and_the_matrix_shows_each() -> None:
    learner = prepared(retains=4)
    slept(learner)
    for _ in range(10):
        learner.learn(of_classes(["0", "1", "2", "3"]))
    slept(learner)
    assert learner.exam.periods.unique().tolist() == [0, 1]
    assert learner.matrix.rows == [[1.0], [1.0, 1.0]]


def test_a_revert_answers_from_the_old_version_gives_up_a_sleep_and_numbers_go_on() -> None:
    learner = prepared(retains=4)
    slept(learner)
    version = {name: tensor.clone() for name, tensor in learner.method.neocortex.state_dict().items()}
    slept(learner)
    learner.method.hippocampus.known.fill_(0)
    learner.begin_consolidation()
    learner.revert(Version(1, "oracle", version))
    assert not learner.asleep
    assert str(learner.version) == f"1.{learner.progress.learned}.1", "one rollback is counted in the name"
    assert learner.evaluate().overall == 1.0
    assert slept(learner).version == 3
