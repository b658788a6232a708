"""The exam ages: what newer examples contradict leaves, and nothing else does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streamlearner.evaluation.contradictions import Contradictions
from streamlearner.evaluation.exam import Exam

CLASSES, COLUMNS = 4, 6
BATCH = 10


def an_exam(dtype: torch.dtype = torch.float32) -> Exam:
    return Exam(budget_bits=2**20, fraction=0.1, input_shape=(COLUMNS,), dtype=dtype, seed=0)


def clouds(count: int, *, seed: int, moved: float = 0.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Examples around one middle for each class, in columns of wildly different scale."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=count)
    middles = np.random.default_rng(7).normal(size=(CLASSES, COLUMNS)) * 4
    inputs = middles[labels] + rng.normal(size=(count, COLUMNS)) + moved
    return (inputs * 10.0 ** np.arange(-3, COLUMNS - 3)).astype(np.float32), labels


def learn(
    exam: Exam,
    inputs: NDArray[np.generic],
    labels: NDArray[np.int64],
    *,
    period: int,
    tasks: torch.Tensor | None = None,
) -> None:
    for at in range(0, len(labels), BATCH):
        part = slice(at, at + BATCH)
        named = None if tasks is None else tasks[part]
        exam.withhold(torch.from_numpy(inputs[part]), torch.from_numpy(labels[part]), named, period=period)


def still_of(exam: Exam, period: int) -> int:
    return int((exam.periods == period).sum())


def test_old_meanings_leave_once_labels_mean_something_else() -> None:
    exam = an_exam()
    learn(exam, *clouds(1500, seed=0), period=0)
    before = still_of(exam, 0)
    inputs, labels = clouds(3000, seed=1)
    learn(exam, inputs, (labels + 1) % CLASSES, period=1)
    assert before > 100
    assert still_of(exam, 0) < before / 3
    assert exam.contradictions.found > before / 2
    assert len(exam) > before  # newer ones took the places


@pytest.mark.parametrize("order", ["shuffled", "class after class"])
def test_a_stream_that_keeps_its_meanings_loses_none(order: str) -> None:
    exam = an_exam()
    inputs, labels = clouds(4000, seed=2)
    inputs[::4] *= 0.5  # overlapping, so that neighbours often disagree
    places = np.argsort(labels, kind="stable") if order != "shuffled" else np.arange(len(labels))
    learn(exam, inputs[places], labels[places], period=0)
    assert exam.contradictions.found == 0


def test_wrong_labels_and_rare_classes_contradict_nothing() -> None:
    exam = an_exam()
    inputs, labels = clouds(4000, seed=3)
    rng = np.random.default_rng(3)
    wrong = rng.random(len(labels)) < 0.1
    labels[wrong] = rng.integers(CLASSES, size=int(wrong.sum()))
    common = (labels == 0) | (rng.random(len(labels)) < 0.05)
    learn(exam, inputs[common], labels[common], period=0)
    assert exam.contradictions.found == 0


def test_a_class_that_looks_new_contradicts_nothing() -> None:
    exam = an_exam()
    learn(exam, *clouds(1500, seed=4), period=0)
    before = still_of(exam, 0)
    learn(exam, *clouds(1500, seed=5, moved=40.0), period=1)
    assert still_of(exam, 0) == before


def test_examples_of_another_task_contradict_nothing() -> None:
    exam = an_exam()
    inputs, labels = clouds(1500, seed=6)
    tasks = torch.zeros(len(labels), dtype=torch.int64)
    learn(exam, inputs, labels, period=0, tasks=tasks)
    before = still_of(exam, 0)
    learn(exam, inputs, (labels + 1) % CLASSES, period=1, tasks=tasks + 1)
    assert still_of(exam, 0) == before


def test_values_of_any_size_neither_fail_nor_contradict() -> None:
    exam = an_exam()
    inputs, labels = clouds(2000, seed=8)
    inputs[::50, 2], inputs[25::50, 3] = 3.4e38, -1e30
    learn(exam, inputs, labels, period=0)
    assert exam.contradictions.found == 0
    assert len(exam) > 100


def test_goes_on_after_a_restart_as_if_there_was_none() -> None:
    """In mid-dispute, and with a place that another example took over."""
    whole, first, second = an_exam(), an_exam(), an_exam()
    inputs, labels = clouds(3000, seed=9)
    labels[1500:] = (labels[1500:] + 1) % CLASSES
    learn(whole, inputs, labels, period=0)
    until = next(
        at
        for at in range(0, len(labels), BATCH)
        if (
            learn(first, inputs[at : at + BATCH], labels[at : at + BATCH], period=0),
            first.contradictions.found,
        )[1]
    )
    assert first.contradictions.in_dispute
    second.load_state_dict(first.state_dict())
    second.contradictions.restore(json.loads(json.dumps(first.contradictions.state())))
    learn(second, inputs[until + BATCH :], labels[until + BATCH :], period=0)
    assert second.contradictions.state() == whole.contradictions.state()
    assert torch.equal(second.inputs, whole.inputs)
    assert torch.equal(second.labels, whole.labels)


def test_nothing_seen_is_nothing_to_keep() -> None:
    assert Contradictions().state() is None


def test_after_a_change_the_examples_that_are_held_then_vote_as_after_a_restart() -> None:
    exam = an_exam()
    learn(exam, *clouds(600, seed=0), period=0)
    exam.erase(label=1)
    restarted = an_exam()
    restarted.load_state_dict(exam.state_dict())
    restarted.contradictions.restore(json.loads(json.dumps(exam.contradictions.state())))
    inputs, labels = clouds(300, seed=1)
    for each in (exam, restarted):
        learn(each, inputs, (labels + 1) % CLASSES, period=1)
    assert exam.contradictions.state() == restarted.contradictions.state()
    assert torch.equal(exam.inputs, restarted.inputs)
