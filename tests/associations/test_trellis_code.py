"""Trellis-coded quantisation: finer than scalar levels at equal bits, and always decodable."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.associations.trellis_code import DISTORTION, MOST_BITS, TrellisQuantiser, allocate


def row(*bits: int) -> Tensor:
    return torch.tensor(bits)


def gaussian(count: int, values: int, *, seed: int = 0) -> Tensor:
    return torch.randn(count, values, generator=torch.Generator().manual_seed(seed))


def fitted(quantiser: TrellisQuantiser, values: Tensor, bits: Tensor, *, rounds: int) -> TrellisQuantiser:
    for part in values.split(len(values) // rounds):
        symbols = quantiser.encode(part, bits=bits, weight=torch.ones(len(bits)))
        quantiser.update(part, symbols, bits=bits)
        quantiser.update_levels()
    return quantiser


def error(quantiser: TrellisQuantiser, values: Tensor, bits: Tensor) -> Tensor:
    """Mean squared error [c]."""
    symbols = quantiser.encode(values, bits=bits, weight=torch.ones(len(bits)))
    return (quantiser.decode(symbols, bits=bits) - values).square().mean(0)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_distortion_of_a_gaussian_is_well_below_that_of_the_best_scalar_quantiser(size: int) -> None:
    bits = row(*[size] * 240)
    quantiser = fitted(TrellisQuantiser(), gaussian(400, 240), bits, rounds=8)
    found = float(error(quantiser, gaussian(100, 240, seed=1), bits).mean())
    scalar = (1.0, 0.3634, 0.1175, 0.03454, 0.009497)[size]  # Max, 1960, table I
    assert found < (0.88, 0.78, 0.74, 0.74)[size - 1] * scalar
    assert found == pytest.approx(DISTORTION[size], rel=0.12)


@pytest.mark.parametrize("bits", [row(1), row(5), row(1, 1, 2), row(*[1] * 40, *[3] * 23), row(*[2] * 67)])
def test_symbols_of_any_row_fit_their_bits_and_decode_to_the_path_that_was_chosen(bits: Tensor) -> None:
    quantiser, values = TrellisQuantiser(), gaussian(9, len(bits))
    symbols = quantiser.encode(values, bits=bits, weight=torch.ones(len(bits)))
    assert symbols.shape == values.shape and symbols.dtype == torch.int64
    assert (symbols >= 0).all() and (symbols < 2**bits).all()
    decoded = quantiser.decode(symbols, bits=bits)
    again = quantiser.encode(decoded, bits=bits, weight=torch.ones(len(bits)))
    torch.testing.assert_close(quantiser.decode(again, bits=bits), decoded)


def test_the_path_is_the_best_of_all() -> None:
    bits, values = row(1, 1, 1, 1, 2), gaussian(20, 5)
    quantiser = TrellisQuantiser()
    weight = torch.tensor([1.0, 0.5, 2.0, 1.0, 3.0])
    symbols = quantiser.encode(values, bits=bits, weight=weight)
    every = torch.cartesian_prod(*[torch.arange(2**size) for size in bits.tolist()])
    costs = (values[:, None] - quantiser.decode(every, bits=bits)).square() @ weight
    chosen = (values - quantiser.decode(symbols, bits=bits)).square() @ weight
    torch.testing.assert_close(chosen, costs.min(1).values)


def test_any_symbols_decode_even_of_no_rows() -> None:
    bits = row(1, 2, 5)
    quantiser = TrellisQuantiser()
    symbols = torch.randint(2, (50, 3), generator=torch.Generator().manual_seed(0)) * (2**bits - 1)
    assert quantiser.decode(symbols, bits=bits).isfinite().all()
    assert quantiser.encode(torch.zeros(0, 3), bits=bits, weight=torch.ones(3)).shape == (0, 3)
    assert quantiser.decode(symbols[:0], bits=bits).shape == (0, 3)


def test_levels_follow_what_they_are_shown_and_outliers_do_not_carry_them_off() -> None:
    bits, values = row(*[2] * 16), gaussian(600, 16).sign() + 0.1 * gaussian(600, 16, seed=2)
    fresh = TrellisQuantiser()
    before = error(fresh, values, bits).mean()
    assert error(fitted(fresh, values, bits, rounds=6), values, bits).mean() < 0.3 * before
    wild = values.clone()
    wild[::50] *= 1e6
    assert error(fitted(TrellisQuantiser(), wild, bits, rounds=6), values, bits).mean() < before


def test_bits_go_where_distortion_falls_most_in_ascending_order() -> None:
    bits, chosen = allocate(torch.tensor([0.0, 100.0, 1.0, 10.0]), code_bits=9)
    assert bits.tolist() == [1, 3, 5] and chosen.tolist() == [2, 3, 1]
    assert allocate(torch.ones(2), code_bits=99)[0].tolist() == [MOST_BITS, MOST_BITS]


def test_where_nothing_varies_there_still_is_one_symbol() -> None:
    bits, chosen = allocate(torch.zeros(3), code_bits=9)
    assert bits.tolist() == [1] and len(chosen) == 1
