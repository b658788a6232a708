"""The transform association: short codes, low distortion, inputs of any shape and scale."""

from __future__ import annotations

import math

import pytest
import torch

from streamlearner.associations.contract import Association
from streamlearner.associations.transform import TransformAssociation
from tests.support.associations import SHAPES, digits, distortion, follow, inputs_of, transform


def test_distortion_falls_with_bits() -> None:
    stream = digits()
    found = [distortion(follow(transform((1, 16, 16), bits), stream), stream) for bits in (10, 30, 90, 200)]
    assert found == sorted(found, reverse=True)
    assert found[0] < 0.75
    assert found[2] < 0.2
    assert found[3] < 0.05


def test_distortion_of_a_gaussian_is_that_of_the_best_scalar_quantiser() -> None:
    inputs = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0)) * 30.0 + 100.0
    association = follow(transform((4,), 8), inputs, batch=500)
    assert association.radices == (4, 4, 4, 4)
    assert distortion(association, inputs) == pytest.approx(0.1175, abs=0.004)  # Max, 1960: two bits


def test_it_encodes_usefully_from_the_first_example_and_better_when_renewed() -> None:
    stream = digits()
    fresh = transform((1, 16, 16), 90)
    assert (fresh.decode(fresh.encode(stream)) - stream).square().mean() < stream.square().mean()
    assert distortion(follow(transform((1, 16, 16), 90), stream), stream) < 0.5 * distortion(fresh, stream)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [1, 7, 100])
@pytest.mark.parametrize("thumbnail_pixels", [0, 2])
def test_codes_of_any_shape_fit_their_bits(shape: tuple[int, ...], bits: int, thumbnail_pixels: int) -> None:
    pixels = thumbnail_pixels if len(shape) == 3 else 0
    inputs = inputs_of(shape)
    association: Association = transform(shape, bits, thumbnail_pixels=pixels)
    for present in (association, follow(association, inputs)):
        symbols = present.encode(inputs)
        assert symbols.dtype == torch.int64
        assert symbols.shape == (len(inputs), len(present.radices))
        assert 2 <= math.prod(present.radices) <= 2**bits
        assert (symbols >= 0).all() and (symbols < torch.tensor(present.radices)).all()
        recollections = present.decode(symbols)
        assert recollections.shape == inputs.shape and recollections.dtype == torch.float32
        assert recollections.isfinite().all()
        if len(shape) == 3:
            assert recollections.min() >= 0.0 and recollections.max() <= 1.0


@pytest.mark.parametrize("place", ["top", "bottom"])
@pytest.mark.parametrize("side", [40, 64, 128])
def test_what_is_anywhere_on_a_large_canvas_is_coded(side: int, place: str) -> None:
    stream, canvas = digits(), torch.zeros(len(digits()), 1, side, side)
    rows = slice(0, 16) if place == "top" else slice(side - 16, side)
    canvas[:, :, rows, side - 16 :] = stream
    association = follow(transform((1, side, side), 100, most_symbol_bits=1, thumbnail_pixels=2), canvas)
    assert distortion(association, canvas) < 0.5


def test_the_state_of_0_1_0_which_counted_the_first_blocks_alone_is_read() -> None:
    canvas = torch.zeros(len(digits()), 1, 64, 64)
    canvas[:, :, 48:, 48:] = digits()
    former = transform((1, 64, 64), 100, most_symbol_bits=1, thumbnail_pixels=2).state_dict()
    for name in ("centre", "shift", "square", "absolute", "rest"):
        former[name] = former[name][:400]  # four for each bit
    restored = transform((1, 64, 64), 100, most_symbol_bits=1, thumbnail_pixels=2)
    restored.load_state_dict(former)
    assert len(restored.centre) == 32 * 32
    assert distortion(follow(restored, canvas), canvas) < 0.5


def test_the_code_uses_all_its_bits_where_the_input_varies() -> None:
    association = follow(transform((1, 16, 16), 90), digits())
    assert sum(math.log2(radix) for radix in association.radices) == 90


def test_one_bit_symbols_are_kept_to_one_bit() -> None:
    association = follow(transform((1, 16, 16), 40, most_symbol_bits=1, thumbnail_pixels=2), digits())
    assert association.radices == (2,) * 40


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_feature_vectors_of_any_scale_are_coded_where_they_vary(scale: float) -> None:
    inputs = inputs_of((32,), 2000) * torch.linspace(1.0, 0.001, 32).pow(2) * scale + 3.0 * scale
    association = follow(transform((32,), 64), inputs)
    assert distortion(association, inputs) < 0.05
    assert max(association.radices) > 4 and len(association.radices) < 32


def test_a_small_variation_far_from_zero_is_coded() -> None:
    inputs = inputs_of((8,), 2000) + 5000.0
    assert distortion(follow(transform((8,), 40), inputs), inputs) < 0.02


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 6), (5,)])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_constant_inputs_come_back(shape: tuple[int, ...], value: float) -> None:
    inputs = torch.full((30, *shape), value)
    association = follow(transform(shape, 20), inputs)
    assert len(association.radices) >= 1
    torch.testing.assert_close(association.decode(association.encode(inputs)), inputs, atol=2e-3, rtol=0.0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_shape": (28, 28), "code_bits": 10},
        {"input_shape": (1, 0, 8), "code_bits": 10},
        {"input_shape": (4,), "code_bits": 0},
        {"input_shape": (4,), "code_bits": 9, "most_symbol_bits": 7},
        {"input_shape": (4,), "code_bits": 9, "thumbnail_pixels": 2},
        {"input_shape": (4,), "code_bits": 9, "growth": 1.0},
    ],
)
def test_impossible_settings_are_refused_with_what_was_found(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|only"):
        TransformAssociation(**arguments)  # type: ignore[arg-type]
