"""The learner keeps method, exam, labels, versions and a sleep under way in step."""

from __future__ import annotations

import pytest
import torch

from streamlearner.evaluation.retention import ExamAccuracy
from streamlearner.learning.consolidation import ConsolidationResult, judged
from streamlearner.learning.learner import Learner
from streamlearner.learning.served_accuracy import LATELY
from streamlearner.state.versions import Version
from tests.support.arms import TINY, exactly
from tests.support.learners import (
    SLEEP_STEPS,
    Oracle,
    a_batch,
    of_classes,
    prepared,
    restarted,
    slept,
    with_oracle,
    with_replay,
)


def consider(learner: Learner, fraction: float) -> None:
    """From here on this share of the stream is considered for the exam."""
    learner.exam.fraction = fraction
    learner.exam._gap = learner.exam._next_gap()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


# wake


def test_each_example_is_either_withheld_or_learned_once() -> None:
    learner = with_oracle()
    labels = [str(i % 4) for i in range(40)]
    results = [learner.learn(of_classes(labels[i : i + 8])) for i in range(0, 40, 8)]
    method = learner.method
    assert isinstance(method, Oracle)
    assert sum(result.withheld for result in results) == learner.progress.withheld == len(learner.exam) > 0
    assert sum(result.learned for result in results) == learner.progress.learned == len(method.observed) > 0
    assert sorted(method.observed + learner.exam.labels.tolist()) == sorted(int(label) for label in labels)


def test_a_batch_that_is_withheld_whole_teaches_nothing() -> None:
    learner = with_oracle(fraction=1.0)
    result = learner.learn(of_classes(["0", "1"]))
    assert (result.withheld, result.learned, result.observation) == (2, 0, None)
    assert learner.prequential.accuracy is None
    assert learner.evaluate().overall == 0.0  # nothing was learned: no answer is right
    assert learner.predictor().ready is False


def test_the_prequential_window_counts_answers_given_before_learning() -> None:
    learner = with_oracle(fraction=0.0)
    learner.learn(of_classes(["0", "1", "2", "3"]))
    assert learner.prequential.accuracy == 0.0
    learner.learn(of_classes(["0", "1", "2", "3"]))
    assert learner.prequential.accuracy == 0.5


def test_learning_is_faster_for_a_while_after_served_accuracy_fell_also_after_a_restart() -> None:
    learner = with_oracle(fraction=0.0)
    for _ in range(50):
        learner.learn(of_classes(["0", "1", "2", "3"]))
    assert not learner.served.fell_lately(learner.progress.learned)
    for _ in range(10):
        learner.method.hippocampus.known.fill_(0)
        result = learner.learn(of_classes(["0", "1", "2", "3"]))
        if result.falls:
            break
    assert learner.served.falls > 0
    again = restarted(learner, with_oracle(fraction=0.0))
    for one in (learner, again):
        assert one.served.fell_lately(one.progress.learned)
        for _ in range(LATELY // 4):
            one.learn(of_classes(["0", "1", "2", "3"]))
        assert not one.served.fell_lately(one.progress.learned)
    assert again.facts() == learner.facts()


def test_tasks_cost_nothing_until_one_is_named_and_count_from_then_on() -> None:
    learner = with_oracle(fraction=0.0)
    learner.learn(of_classes(["0"]))
    assert not learner.method.seen_classes.names_tasks
    learner.learn(of_classes(["0", "1"], ["left", None]))
    learner.learn(of_classes(["2"]))
    assert learner.tasks.state() == ["left"]
    assert learner.method.seen_classes.seen.tolist() == [[True, False, False], [True, True, True]]


def test_tasks_can_be_ignored() -> None:
    learner = with_oracle(uses_tasks=False)
    learner.learn(of_classes(["0", "1"], ["left", "right"]))
    assert learner.tasks.state() == []
    assert not learner.method.seen_classes.names_tasks


def test_a_task_that_only_the_exam_has_met_can_be_evaluated_and_asked_about() -> None:
    learner = with_replay()
    consider(learner, 0.0)
    learner.learn(a_batch(0))
    consider(learner, 1.0)
    learner.learn(a_batch(9))
    assert learner.progress.withheld == 6
    assert learner.evaluate().by_task.keys() == {0, 1}
    proba = learner.predictor().freeze().predict_proba(TINY.inputs([0], seed=1), task="task 1")
    assert float(proba.sum()) == pytest.approx(1.0)


# evaluation


def test_accuracy_is_by_class_task_and_period_of_what_would_answer_now() -> None:
    learner = with_oracle(fraction=1.0)
    learner.learn(of_classes(["0", "1", "2", "3"] * 3, ["left", "right", None, None] * 3))
    consider(learner, 0.0)
    learner.learn(of_classes(["0", "1", "2", "3"]))
    learner.method.hippocampus.known.fill_(1)
    accuracy = learner.evaluate()
    assert accuracy is learner.exam_accuracy
    assert accuracy.by_class == {0: 1.0, 1: 0.0, 2: 0.0, 3: 0.0}
    assert accuracy.by_task == {0: 1.0, 1: 0.0}
    assert accuracy.overall == 0.25
    assert accuracy.by_period == {0: 0.25}


def test_the_readout_names_classes_and_tasks_as_the_stream_does() -> None:
    learner = with_oracle(fraction=1.0)
    learner.learn(of_classes(["0", "1"] * 10, ["left", "right"] * 10))
    consider(learner, 0.0)
    learner.learn(of_classes(["0", "1"]))
    slept(learner)
    assert learner.readout == {
        "overall": 1.0,
        "class:0": 1.0,
        "class:1": 1.0,
        "task:left": 1.0,
        "task:right": 1.0,
    }


# sleep


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


# bits


def test_stored_bits_name_every_store_once() -> None:
    learner = with_replay()
    for number in range(4):
        learner.learn(a_batch(number))
    stored = learner.stored_bits()
    assert stored == {**learner.method.stored_bits(), "exam": learner.exam.stored_bits}
    assert stored.keys() == {"recollections", "statistics", "exam"}
