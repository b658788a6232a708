"""Quantisers of coefficients: the levels that the literature tabulates, and bits where they help most."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from streamlearner.associations.quantiser import cells_of, fitted, iterate_lloyd, levels_of


def one(bits: int, *, peaked: bool = False) -> Tensor:
    """The levels [2 ** bits] of a coefficient of mean 0 and variance 1."""
    flag = torch.tensor([peaked])
    return fitted(torch.zeros(1), torch.ones(1), flag, code_bits=bits, most_bits=bits)[1][0]


def test_levels_for_a_gaussian_are_those_of_max() -> None:
    torch.testing.assert_close(one(1), torch.tensor([-0.7980, 0.7980]), atol=2e-3, rtol=0.0)
    expected = torch.tensor([-1.510, -0.4528, 0.4528, 1.510])  # Max, 1960, table I
    torch.testing.assert_close(one(2), expected, atol=5e-3, rtol=0.0)


def test_levels_for_a_laplacian_lie_further_out() -> None:
    torch.testing.assert_close(one(1, peaked=True), torch.tensor([-0.7071, 0.7071]), atol=2e-3, rtol=0.0)
    assert one(3, peaked=True)[-1] > one(3)[-1] + 0.5


def test_bits_go_to_the_coefficients_that_vary_most() -> None:
    variance = torch.tensor([0.0, 100.0, 1.0, 10.0])
    index, table = fitted(torch.zeros(4), variance, variance < 0, code_bits=9, most_bits=5)
    assert index.tolist() == [1, 2, 3]
    assert levels_of(table) == (32, 2, 8)  # distortion falls by 0.64, 0.25, 0.083, 0.025, 0.008 a variance


@pytest.mark.parametrize(("code_bits", "most_bits", "given"), [(7, 2, 7), (9, 2, 8), (1, 6, 1)])
def test_no_code_and_no_symbol_has_more_bits_than_allowed(code_bits: int, most_bits: int, given: int) -> None:
    table = fitted(
        torch.zeros(4), torch.ones(4), torch.zeros(4) > 0, code_bits=code_bits, most_bits=most_bits
    )[1]
    assert sum(math.log2(levels) for levels in levels_of(table)) == given
    assert max(levels_of(table)) <= 2**most_bits


def test_where_nothing_varies_there_still_is_one_symbol() -> None:
    index, table = fitted(torch.full((3,), 7.0), torch.zeros(3), torch.zeros(3) > 0, code_bits=9, most_bits=5)
    assert index.tolist() == [0] and levels_of(table) == (2,)
    torch.testing.assert_close(table, torch.full((1, 2), 7.0), atol=1e-3, rtol=0.0)


def test_a_lloyd_iteration_fills_only_rows_whose_cells_were_all_met() -> None:
    former = torch.tensor([[-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]])
    count = torch.tensor([[5.0, 10.0], [4.0, 90.0], [50.0, 50.0]])
    table = torch.tensor(
        [[-3.0, 3.0, math.inf, math.inf], [-3.0, -1.0, 1.0, 3.0], [-3.0, 3.0, math.inf, math.inf]]
    )
    before = table.clone()
    iterate_lloyd(
        table,
        torch.tensor([4, 8, 6]),
        former=former,
        former_index=torch.tensor([4, 6, 8]),
        count=count,
        total=torch.tensor([[-10.0, 5.0], [0.0, 0.0], [0.0, 9.0]]),
    )
    assert table[0].tolist() == [-2.0, 0.5, math.inf, math.inf]
    assert torch.equal(
        table[1:], before[1:]
    )  # the one has other levels now, the other met a cell 4 times only


def test_a_cell_is_how_many_thresholds_a_value_exceeds() -> None:
    drawn = torch.Generator().manual_seed(0)
    thresholds = torch.randn(6, 15, generator=drawn).sort(1).values
    thresholds[1, 7:] = math.inf  # of a symbol with fewer levels
    thresholds[2, 3:9] = thresholds[2, 3]
    values = torch.randn(40, 6, generator=drawn)
    values[:15] = thresholds.T  # on a threshold, which is not beyond it
    values[15], values[16] = math.inf, -math.inf
    assert torch.equal(cells_of(values, thresholds), (values[..., None] > thresholds).sum(-1))
