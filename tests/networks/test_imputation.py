"""A number that is missing is filled by the running mean of its column, which absurd values do not spoil."""

from __future__ import annotations

import math

import pytest
import torch

from streamlearner.networks.imputation import MeanImputation

NAN = math.nan


def of(*batches: list[list[float]]) -> MeanImputation:
    means = MeanImputation(features=2)
    for batch in batches:
        means.update(torch.tensor(batch))
    return means


def test_the_mean_is_that_of_the_numbers_that_were_there() -> None:
    means = of([[1.0, NAN], [3.0, 8.0]], [[NAN, NAN], [5.0, 10.0]])
    filled, count = means.fill(torch.tensor([[NAN, 7.0], [NAN, NAN]]))
    assert filled.tolist() == [[3.0, 7.0], [3.0, 9.0]] and count == 3


def test_a_column_of_which_little_came_has_its_mean_all_the_same() -> None:
    """Filled values are no evidence: 1 number in 100 is there, in 2,000 examples."""
    draw, means = torch.Generator().manual_seed(0), MeanImputation(features=1)
    for _ in range(200):
        batch = 50 + torch.randn(10, 1, generator=draw)
        batch[torch.rand(10, 1, generator=draw) > 0.01] = NAN
        means.update(batch)
    assert float(means.mean) == pytest.approx(50, abs=1)


def test_what_was_never_seen_is_filled_by_its_batch_or_by_nought() -> None:
    filled, _ = MeanImputation(features=2).fill(torch.tensor([[NAN, NAN], [4.0, NAN]]))
    assert filled.tolist() == [[4.0, 0.0], [4.0, 0.0]]


def test_inputs_of_which_nothing_is_missing_are_the_same_object() -> None:
    inputs = torch.ones(3, 2)
    assert of([[1.0, 2.0]]).fill(inputs)[0] is inputs


@pytest.mark.parametrize("absurd", [1e4, -1e20, 3.4e38, math.inf])
@pytest.mark.parametrize("at", [0, 5, 150])
def test_one_absurd_value_leaves_the_mean_where_it_was(absurd: float, at: int) -> None:
    draw, means = torch.Generator().manual_seed(0), MeanImputation(features=1)
    for number in range(200):
        batch = 3 + torch.randn(10, 1, generator=draw)
        if number == at:
            batch[4] = absurd
        means.update(batch)
        assert float(means.mean) == pytest.approx(3, abs=3)
    assert float(means.mean) == pytest.approx(3, abs=0.2)


def test_an_absurd_value_that_is_the_very_first_is_forgotten() -> None:
    means = of([[1e20, 1.0]], [[3.0, 1.0], [5.0, 3.0]])
    assert means.mean.tolist() == pytest.approx([4.0, 5 / 3])


def test_the_variance_is_that_of_all_numbers_together() -> None:
    values = torch.randn(100, 1, generator=torch.Generator().manual_seed(0))
    means = MeanImputation(features=1)
    for batch in values.split(10):
        means.update(batch)
    assert float(means.variance) == pytest.approx(float(values.var(0, correction=0)), rel=1e-4)
