"""The discriminant is what scikit-learn's would be, from sums alone, and begins with the nearest mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import oas
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from streamlearner.statistics.discriminant import discriminant, shrinkage

CENTRES = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [3.0, 3.0, 1.0]], dtype=torch.float64)
MIXED = torch.tensor([[2.0, 1.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 3.0]], dtype=torch.float64)


def gaussians(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Three classes of one covariance, the third half as frequent."""
    chosen = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0, 0, 1, 1, 2]).repeat(count // 5)
    noise = torch.randn(len(labels), 3, generator=chosen, dtype=torch.float64) @ MIXED
    return CENTRES[labels] + noise, labels


def sums(numbers: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    by_class = torch.zeros(classes, numbers.shape[1], dtype=torch.float64).index_add_(0, labels, numbers)
    return torch.bincount(labels, minlength=classes), by_class, numbers.T @ numbers


def test_answers_are_those_of_scikit_learn() -> None:
    numbers, labels = gaussians(20_000, seed=0)
    asked, right = gaussians(5_000, seed=1)
    ours = discriminant(*sums(numbers, labels, 3)).scores(asked)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(
        numbers.numpy(), labels.numpy()
    )
    probabilities = torch.tensor(theirs.predict_proba(asked.numpy()))
    assert (ours.softmax(1) - probabilities).abs().max() < 0.01
    assert (ours.argmax(1) == probabilities.argmax(1)).float().mean() > 0.995
    assert (ours.argmax(1) == right).float().mean() > 0.75


@pytest.mark.parametrize("count", [8, 30, 1_000])
def test_shrinkage_is_that_of_scikit_learn(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(count, 6)) @ np.diag([1, 2, 3, 4, 5, 6])
    _, theirs = oas(values)
    ours = shrinkage(np.cov(values.T, bias=True), count)
    assert ours == pytest.approx(theirs, abs=2.5 / count)  # two versions of the formula are in use


def test_with_one_example_of_each_class_the_nearest_wins() -> None:
    found = discriminant(*sums(CENTRES, torch.tensor([0, 1, 2]), 3))
    assert found.scores(CENTRES + 0.3).argmax(1).tolist() == [0, 1, 2]


def test_a_rare_class_is_told_as_well_as_a_frequent_one() -> None:
    numbers, labels = gaussians(20_000, seed=4)
    kept = (labels == 0) | ((labels == 1) & (torch.arange(len(labels)) % 100 < 5))
    asked, right = gaussians(5_000, seed=5)
    found = discriminant(*sums(numbers[kept], labels[kept], 2)).scores(asked).argmax(1) == right
    frequent, rare = (float(found[right == label].float().mean()) for label in (0, 1))
    assert abs(frequent - rare) < 0.03


def test_one_example_of_a_stray_class_takes_no_answers_of_others() -> None:
    chosen = torch.Generator().manual_seed(0)
    numbers = torch.randn(2_000, 30, generator=chosen, dtype=torch.float64)
    labels = torch.arange(2_000) % 2
    numbers[labels == 1, 0] += 4.0
    labels[7] = 2  # a slip of the pen
    found = discriminant(*sums(numbers, labels, 3)).scores(numbers).argmax(1)
    assert int((found == 2).sum()) < 5


def test_a_class_without_examples_is_never_the_answer() -> None:
    numbers, labels = gaussians(100, seed=2)
    scores = discriminant(*sums(numbers, labels, 5)).scores(numbers)
    assert scores[:, 3:].eq(-torch.inf).all()
    assert scores[:, :3].isfinite().all()


def test_columns_that_never_vary_and_columns_that_repeat_another_do_no_harm() -> None:
    numbers, labels = gaussians(500, seed=3)
    odd = torch.cat([numbers, torch.full((len(numbers), 1), 7.0), numbers[:, :1]], 1)
    scores = discriminant(*sums(odd, labels, 3)).scores(odd)
    assert scores.isfinite().all()
    assert (scores.argmax(1) == labels).float().mean() > 0.7
