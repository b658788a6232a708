"""Running covariances by block: the directions of a stream, whatever its scale and place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.associations.block_covariance import BlockCovariance, blocks_of


def counted(values: Tensor, blocks: Tensor, *, batch: int = 10) -> BlockCovariance:
    width = values.shape[1]
    covariance = BlockCovariance(mean=torch.zeros(width), variance=torch.ones(width), blocks=blocks)
    for part in values.split(batch):
        covariance.update(part)
    return covariance


def stream(count: int = 3000) -> Tensor:
    """Two pairs of coefficients, the first correlated; far from zero."""
    values = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    values[:, 1] = 0.9 * values[:, 0] + 0.1 * values[:, 1]
    return values + 500.0


def test_mean_and_variances_are_those_of_all_values() -> None:
    values = stream()
    covariance = counted(values, torch.tensor([0, 0, 1, 1]))
    torch.testing.assert_close(covariance.mean, values.mean(0), atol=1e-3, rtol=0.0)
    found = covariance.directions()
    exact = torch.linalg.eigvalsh(torch.cov(values[:, :2].T))
    torch.testing.assert_close(found.variance[:2], exact, rtol=0.02, atol=0.01)


def test_directions_are_orthonormal_and_stay_inside_their_block() -> None:
    blocks = torch.tensor([1, 0, 1, 0, 0])
    covariance = counted(torch.randn(500, 5, generator=torch.Generator().manual_seed(1)), blocks)
    found = covariance.directions()
    real = found.variance > 0  # a block of two is padded to three
    dense = covariance.dense_rows(found.rows[real], found.block[real])
    torch.testing.assert_close(dense @ dense.T, torch.eye(5), atol=1e-5, rtol=0.0)
    assert all(len(set(blocks[row.abs() > 1e-6].tolist())) == 1 for row in dense)


def test_before_anything_is_counted_directions_are_the_coefficients_themselves() -> None:
    prior = torch.tensor([1.0, 4.0, 2.0])
    covariance = BlockCovariance(mean=torch.zeros(3), variance=prior, blocks=torch.tensor([0, 0, 0]))
    found = covariance.directions()
    assert sorted(found.variance.tolist()) == [1.0, 2.0, 4.0]
    assert (found.rows.abs() > 1e-6).sum(1).tolist() == [1, 1, 1]


def test_a_few_examples_that_agree_by_chance_are_not_believed() -> None:
    few, many = (counted(stream(count), torch.tensor([0, 0, 0, 0])).directions() for count in (4, 3000))
    assert few.variance[-2] > 0.02 * few.variance[-1]  # of 4 examples; uncorrelated by shrinking
    assert many.variance[0] < 0.02 * many.variance[-1]


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 5, 5), (600,)])
def test_every_coefficient_has_a_block_and_none_is_large(shape: tuple[int, ...]) -> None:
    count = 100 if len(shape) == 3 else 600
    order = torch.arange(min(count, torch.Size(shape).numel()))
    sizes = torch.bincount(blocks_of(order, input_shape=shape))
    assert sizes.sum() == len(order)
    assert sizes.max() <= (16 if len(shape) == 3 else 256)
