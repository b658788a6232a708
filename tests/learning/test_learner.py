"""The learner keeps method, exam, labels, versions and a sleep under way in step."""

from __future__ import annotations

import pytest
import torch

from streamlearner.decoding.batch import Batch
from streamlearner.learning.learner import Learner
from streamlearner.learning.served_accuracy import LATELY
from tests.support.arms import TINY
from tests.support.learners import (
    Oracle,
    a_batch,
    of_classes,
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


def test_an_example_of_a_class_that_nobody_knew_was_not_answered_rightly() -> None:
    learner = with_replay()
    consider(learner, 0.0)
    for seed in range(2):  # a method that knows one class answers nothing else
        inputs = TINY.inputs([0] * 10, seed=seed)
        learner.learn(Batch(inputs=inputs, labels=("a",) * 10, tasks=(None,) * 10, ids=(None,) * 10))
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


# bits


def test_stored_bits_name_every_store_once() -> None:
    learner = with_replay()
    for number in range(4):
        learner.learn(a_batch(number))
    stored = learner.stored_bits()
    assert stored == {**learner.method.stored_bits(), "exam": learner.exam.stored_bits}
    assert stored.keys() == {"recollections", "statistics", "exam"}
