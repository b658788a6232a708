"""The association that loses nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.associations.lossless import RawAssociation
from streamlearner.memory.packing import Packing


def floats(count: int) -> Tensor:
    drawn = torch.randn(count, 5, generator=torch.Generator().manual_seed(0))
    drawn[:1] *= 1e30
    drawn[1:2] = 0.0
    return drawn


def every_pixel() -> Tensor:
    return torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)


def test_every_pixel_value_comes_back_exactly() -> None:
    association = RawAssociation(input_shape=(1, 8, 8), dtype=torch.uint8)
    shown = every_pixel().to(torch.float32).div(255.0)
    symbols = association.encode(shown)
    assert torch.equal(symbols.flatten(), every_pixel().flatten().to(torch.int64))
    assert torch.equal(association.decode(symbols), shown)


def test_features_come_back_bit_for_bit() -> None:
    association = RawAssociation(input_shape=(5,), dtype=torch.float32)
    assert torch.equal(association.decode(association.encode(floats(6))), floats(6))


@pytest.mark.parametrize(("shape", "dtype"), [((1, 8, 8), torch.uint8), ((5,), torch.float32)])
def test_no_code_decodes_to_no_input(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    association = RawAssociation(input_shape=shape, dtype=dtype)
    none = torch.zeros(0, len(association.radices), dtype=torch.int64)
    assert association.decode(none).shape == (0, *shape)
    assert association.encode(torch.zeros(0, *shape)).shape == none.shape


@pytest.mark.parametrize(
    ("shape", "dtype", "bits"), [((3, 4, 4), torch.uint8, 384), ((5,), torch.float32, 160)]
)
def test_a_code_costs_the_bits_of_the_raw_input(
    shape: tuple[int, ...], dtype: torch.dtype, bits: int
) -> None:
    association = RawAssociation(input_shape=shape, dtype=dtype)
    assert Packing(association.radices).code_bits == bits
    assert association.parameter_bits() == 0


def test_it_has_nothing_to_learn_and_leaves_its_input_alone() -> None:
    association, shown = RawAssociation(input_shape=(5,), dtype=torch.float32), floats(3)
    association.learn(shown, None)
    assert association.renew() is None
    association.encode(shown)
    assert torch.equal(shown, floats(3))
