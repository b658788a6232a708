"""The exact test of whether one model answers worse than another on the same examples."""

from __future__ import annotations

import numpy as np
import pytest

from streamlearner.evaluation.paired_test import fewest_losses, probability_of_losses


def answers(both: int, lost: int, gained: int) -> tuple[list[bool], list[bool]]:
    return [True] * both + [True] * lost + [False] * gained, [True] * both + [False] * lost + [True] * gained


@pytest.mark.parametrize(
    ("lost", "gained", "probability"),
    [(0, 0, 1.0), (1, 0, 0.5), (5, 0, 1 / 32), (1, 1, 0.75), (8, 2, 56 / 1024), (0, 3, 1.0)],
)
def test_it_is_the_binomial_tail_of_the_answers_that_changed(
    lost: int, gained: int, probability: float
) -> None:
    assert probability_of_losses(*answers(50, lost, gained)) == pytest.approx(probability)


def test_equally_good_models_are_called_worse_no_more_often_than_the_level_says() -> None:
    draw = np.random.default_rng(0)
    called = sum(probability_of_losses(*(draw.random((2, 200)) < 0.7).tolist()) < 0.05 for _ in range(1_000))
    assert 10 < called <= 65  # exact, so rather fewer than 50


@pytest.mark.parametrize(("level", "fewest"), [(0.05, 5), (0.01, 7), (0.5, 2), (1.0, 1), (0.03125, 6)])
def test_the_fewest_losses_that_count_are_those_below_the_level(level: float, fewest: int) -> None:
    assert fewest_losses(level) == fewest
    if level < 1:
        assert probability_of_losses(*answers(0, fewest, 0)) < level
        assert probability_of_losses(*answers(0, fewest - 1, 0)) >= level
