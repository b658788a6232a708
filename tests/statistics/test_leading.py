"""Statistics of features in order: as many as the budget holds, the first ones first."""

from __future__ import annotations

import torch
from torch import Tensor

from streamlearner.statistics.leading import HIGHEST, STEPS, LeadingColumns, LeadingStatistics

FEATURES, CLASSES = 60, 12


def examples(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Classes differ along the first features."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=draw)
    means = torch.zeros(CLASSES, FEATURES)
    means[:, :CLASSES] = 2.5 * torch.eye(CLASSES)
    return means[labels] + torch.randn(count, FEATURES, generator=draw), labels


def learned(budget_bits: int, *, count: int = 1_000) -> LeadingStatistics:
    statistics = LeadingStatistics(features=FEATURES, budget_bits=budget_bits)
    for start in range(0, count, 50):
        inputs, labels = examples(50, seed=start)
        statistics.grow(int(labels.max()) + 1)
        statistics.learn(statistics.numbers(inputs), labels, None)
        assert statistics.stored_bits <= budget_bits
    return statistics


def accuracy(statistics: LeadingStatistics) -> float:
    inputs, labels = examples(1_000, seed=99_999)
    return float((statistics.scores(statistics.numbers(inputs)).argmax(1) == labels).float().mean())


def test_columns_are_rounded_to_steps_and_absurd_values_are_limited() -> None:
    values = torch.tensor([[0.0, 0.26, -1.0, 1e30, -torch.inf, torch.nan, 5.0]])
    found = LeadingColumns()(values, count=6)
    assert found.tolist() == [[0, 1, round(-STEPS), HIGHEST, -HIGHEST, 0]]


def test_a_small_budget_keeps_the_features_that_tell_most() -> None:
    small, large = learned(22_000), learned(200_000)
    assert CLASSES <= small.sums.directions < large.sums.directions == FEATURES
    assert accuracy(small) > accuracy(large) - 0.05 > 0.7


def test_less_budget_leaves_what_a_small_one_would_hold() -> None:
    limited = learned(200_000)
    limited.limit(22_000)
    assert limited.stored_bits <= 22_000
    assert torch.equal(limited.sums.sums, learned(200_000).sums.sums[:, : limited.sums.directions])


def test_a_budget_for_nothing_answers_all_the_same() -> None:
    statistics = LeadingStatistics(features=FEATURES, budget_bits=100)
    statistics.grow(2)
    assert statistics.scores(statistics.numbers(torch.zeros(3, FEATURES))).shape == (3, 2)
