"""Accuracies on the exam and the matrix R, against figures worked out by hand."""

from __future__ import annotations

import json

import pytest
import torch

from streamlearner.evaluation.retention import RetentionMatrix, by_age, exam_accuracy


def a_matrix(*rows: list[float | None], most_sleeps: int = 100) -> RetentionMatrix:
    matrix = RetentionMatrix(most_sleeps=most_sleeps)
    for row in rows:
        matrix.add({period: value for period, value in enumerate(row) if value is not None})
    return matrix


def test_retention_by_age_is_the_mean_of_the_classes_that_were_last_seen_so_long_ago() -> None:
    by_class = {0: 1.0, 1: 0.5, 2: 0.25, 3: 0.0, 4: 0.125}
    ages = {0: 0, 1: 999, 2: 1_000, 3: 10**6}
    assert by_age(by_class, ages) == {"1000": 0.75, "10000": 0.25, "older": 0.0}
    assert by_age({}, ages) == by_age(by_class, {}) == {}


def test_grades_are_means_by_class_task_and_period() -> None:
    grades = exam_accuracy(
        torch.tensor([True, True, True, False, False, True]),
        labels=torch.tensor([0, 0, 0, 0, 1, 1]),
        tasks=torch.tensor([-1, 2, 2, 2, -1, 0]),
        periods=torch.tensor([0, 0, 1, 1, 1, 3]),
    )
    assert grades.by_class == {0: 0.75, 1: 0.5}
    assert grades.by_task == pytest.approx({0: 1.0, 2: 2 / 3})
    assert grades.by_period == pytest.approx({0: 1.0, 1: 1 / 3, 3: 1.0})


def test_overall_is_the_mean_over_classes_so_that_a_frequent_class_hides_nothing() -> None:
    labels = torch.tensor([0] * 98 + [1] * 2)
    hits, none = labels == 0, torch.full((100,), -1)
    assert exam_accuracy(hits, labels=labels, tasks=none, periods=none).overall == 0.5


def test_an_empty_exam_has_no_grade() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    grades = exam_accuracy(nothing.bool(), labels=nothing, tasks=nothing, periods=nothing)
    assert grades.overall is None
    assert grades.by_class == grades.by_task == grades.by_period == {}


def test_forgetting_is_the_best_ever_less_the_last() -> None:
    matrix = a_matrix([0.9], [0.7, 0.8], [0.8, 0.5, 1.0])
    assert matrix.rows == [[0.9], [0.7, 0.8], [0.8, 0.5, 1.0]]
    assert matrix.forgetting == pytest.approx(((0.9 - 0.8) + (0.8 - 0.5)) / 2)


def test_backward_transfer_is_the_last_less_the_first() -> None:
    matrix = a_matrix([0.5], [0.7, 0.8], [0.9, 0.6, 1.0])
    assert matrix.backward_transfer == pytest.approx(((0.9 - 0.5) + (0.6 - 0.8)) / 2)


def test_what_got_better_counts_as_negative_forgetting() -> None:
    assert a_matrix([0.5], [0.7, 1.0]).forgetting == pytest.approx(-0.2)


@pytest.mark.parametrize("rows", [[], [[0.9]]])
def test_before_the_second_sleep_nothing_can_be_forgotten(rows: list[list[float | None]]) -> None:
    matrix = a_matrix(*rows)
    assert matrix.forgetting is None
    assert matrix.backward_transfer is None


def test_a_period_without_examples_is_left_out() -> None:
    matrix = a_matrix([None], [0.6, 0.8], [0.5, None, 1.0])
    assert matrix.rows == [[None], [0.6, 0.8], [0.5, None, 1.0]]
    assert matrix.forgetting == pytest.approx(0.1)
    assert matrix.backward_transfer is None


def test_rows_and_periods_are_bounded_and_the_figures_are_those_of_what_is_shown() -> None:
    matrix = RetentionMatrix(most_sleeps=3)
    for sleep in range(50):
        matrix.add({period: 1.0 - (sleep - period) / 100 for period in range(sleep + 1)})
        assert len(matrix.rows) <= 3
    assert matrix.first == 47
    assert matrix.rows == [[1.0], pytest.approx([0.99, 1.0]), pytest.approx([0.98, 0.99, 1.0])]
    assert matrix.forgetting == pytest.approx((0.02 + 0.01) / 2)
    assert matrix.backward_transfer == pytest.approx((-0.02 - 0.01) / 2)


def test_state_goes_through_json_and_the_copy_goes_its_own_way() -> None:
    matrix = a_matrix([0.9], [None, 0.8], [0.8, 0.5, 1.0], most_sleeps=2)
    restored = RetentionMatrix(most_sleeps=2)
    restored.restore(json.loads(json.dumps(matrix.state())))
    assert (restored.first, restored.rows) == (1, [[0.8], [0.5, 1.0]])
    restored.add({2: 0.5})
    assert (matrix.first, matrix.rows) == (1, [[0.8], [0.5, 1.0]])
