"""What an association promises: short codes, low distortion, and a state that restarts where it stopped."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from streamlearner.association import Association, GumbelAssociation, TransformAssociation

SHAPES = [(1, 28, 28), (3, 32, 32), (2, 9, 14), (1, 5, 5), (3, 1, 1), (64,), (1,)]


def digits(count: int = 1200) -> Tensor:
    """Handwritten digits [count, 1, 16, 16] in [0, 1], sorted by class as a class-incremental stream is."""
    data = load_digits()
    images = torch.tensor(data.images[:count], dtype=torch.float32).unsqueeze(1) / 16.0
    images = torch.nn.functional.interpolate(images, size=(16, 16), mode="bilinear")
    return images[torch.tensor(data.target[:count]).argsort(stable=True)]


def inputs_of(shape: tuple[int, ...], count: int = 40, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if len(shape) == 1:
        return torch.randn(count, *shape, generator=generator)
    smooth = torch.rand(count, *[min(s, 4) for s in shape], generator=generator)
    return torch.nn.functional.interpolate(smooth, size=shape[1:]).expand(count, *shape).contiguous()


def follow(association: Association, stream: Tensor, *, batch: int = 10) -> Association:
    """Learn a stream, renewing when it is time."""
    for inputs in torch.split(stream, batch):
        association.learn(inputs, None)
        association = association.renew() or association
    return association


def distortion(association: Association, inputs: Tensor) -> float:
    """Mean squared error over variance: 1 is no better than the mean."""
    error = (association.decode(association.encode(inputs)) - inputs).square().mean()
    return float(error / (inputs - inputs.mean(0)).square().mean())


def transform(shape: tuple[int, ...], bits: int, **settings: int) -> TransformAssociation:
    return TransformAssociation(
        input_shape=shape,
        code_bits=bits,
        most_symbol_bits=settings.get("most_symbol_bits", 5),
        thumbnail_pixels=settings.get("thumbnail_pixels", 0),
        first_fit_examples=20,
    )


def gumbel(shape: tuple[int, ...], *, seed: int = 0, steps: int = 1) -> GumbelAssociation:
    generator = torch.Generator().manual_seed(seed)
    return GumbelAssociation(input_shape=shape, variables=16, levels=4, generator=generator, steps=steps)


def generator_of(association: GumbelAssociation) -> torch.Generator:
    return association._generator


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


def test_recoding_a_recollection_changes_it_little() -> None:
    stream = digits()
    association = follow(transform((1, 16, 16), 90), stream)
    once = association.decode(association.encode(stream))
    twice = association.decode(association.encode(once))
    assert (twice - once).square().mean() < 0.15 * (once - stream).square().mean()


def test_recoding_at_a_renewal_keeps_what_was_remembered() -> None:
    stream = digits()
    association: Association = transform((1, 16, 16), 120)
    symbols = association.encode(stream[:0])
    for inputs in torch.split(stream, 10):
        association.learn(inputs, None)
        renewed = association.renew()
        if renewed is not None:
            symbols = renewed.encode(association.decode(symbols))
            association = renewed
        symbols = torch.cat([symbols, association.encode(inputs)])
    remembered = (association.decode(symbols) - stream).square().mean()
    fresh = (association.decode(association.encode(stream)) - stream).square().mean()
    assert remembered < 2.0 * fresh


def test_renewal_comes_on_schedule_and_leaves_the_old_one_alone() -> None:
    association = TransformAssociation(
        input_shape=(1, 16, 16), code_bits=60, first_fit_examples=30, growth=2.0
    )
    renewals = []
    for seen, inputs in enumerate(torch.split(digits(300), 10), start=1):
        association.learn(inputs, None)
        before = copy.deepcopy(association.state_dict())
        renewed = association.renew()
        after = association.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)
        if renewed is not None:
            assert renewed is not association and renewed.renew() is None
            renewals.append(seen * 10)
            association = renewed
    assert renewals == [30, 60, 120, 240]


def test_a_restored_transform_goes_on_bit_for_bit() -> None:
    stream = digits()
    kept = follow(transform((1, 16, 16), 70), stream[:500])
    restored: Association = transform((1, 16, 16), 70)
    assert restored.radices != kept.radices
    restored.load_state_dict(copy.deepcopy(kept.state_dict()))
    for present in (0, 1):
        assert restored.radices == kept.radices
        for name, value in kept.state_dict().items():
            assert torch.equal(value, restored.state_dict()[name]), name
        assert torch.equal(kept.decode(kept.encode(stream)), restored.decode(restored.encode(stream)))
        if present == 0:
            kept, restored = follow(kept, stream[500:]), follow(restored, stream[500:])


def test_a_state_restores_inside_a_larger_module() -> None:
    kept = torch.nn.ModuleDict({"association": follow(transform((1, 16, 16), 70), digits())})
    restored = torch.nn.ModuleDict({"association": transform((1, 16, 16), 70)})
    restored.load_state_dict(kept.state_dict())
    assert torch.equal(
        kept["association"].encode(digits()),  # type: ignore[operator]
        restored["association"].encode(digits()),  # type: ignore[operator]
    )


def test_a_state_with_a_part_missing_is_refused() -> None:
    state = transform((1, 16, 16), 70).state_dict()
    del state["table"]
    with pytest.raises(RuntimeError, match="table"):
        transform((1, 16, 16), 70).load_state_dict(state)


@pytest.mark.parametrize("build", [lambda: transform((1, 16, 16), 70), lambda: gumbel((1, 16, 16))])
def test_state_is_tensors_all_counted(build: Callable[[], Association]) -> None:
    association = build()
    follow(association, digits(50))
    state = association.state_dict()
    assert all(isinstance(value, Tensor) for value in state.values())
    assert association.parameter_bits() == sum(8 * v.numel() * v.element_size() for v in state.values())


def test_equal_streams_give_equal_codes() -> None:
    stream = digits()
    first, second = (follow(transform((1, 16, 16), 70), stream) for _ in range(2))
    assert torch.equal(first.encode(stream), second.encode(stream))
    learned = [follow(gumbel((1, 16, 16)), stream[:200]) for _ in range(2)]
    assert torch.equal(
        learned[0].decode(learned[0].encode(stream)), learned[1].decode(learned[1].encode(stream))
    )
    other = follow(gumbel((1, 16, 16), seed=1), stream[:200])
    assert not torch.equal(other.encode(stream), learned[0].encode(stream))


def test_no_chance_is_taken_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    follow(gumbel((1, 16, 16)), digits(50))
    follow(transform((1, 16, 16), 70), digits(50))
    assert torch.equal(before, torch.get_rng_state())


def test_the_autoencoder_learns() -> None:
    stream = digits()[torch.randperm(1200, generator=torch.Generator().manual_seed(0))]
    association = gumbel((1, 16, 16), steps=5)
    found = [distortion(association, stream)]
    for _ in range(2):
        follow(association, stream, batch=20)
        found.append(distortion(association, stream))
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.7  # 1 is the mean image


def test_the_autoencoder_decodes_with_frozen_weights() -> None:
    association = gumbel((1, 16, 16))
    symbols = association.encode(digits(20))
    with torch.no_grad():
        before = association.decode(symbols)
        for parameter in association.decoder.parameters():
            parameter.add_(0.05)
        assert torch.equal(association.decode(symbols), before)
        association.freeze()
        assert not torch.equal(association.decode(symbols), before)


def test_a_restored_autoencoder_goes_on_bit_for_bit() -> None:
    stream = digits(400)
    kept = gumbel((1, 16, 16))
    follow(kept, stream[:200])
    restored = gumbel((1, 16, 16), seed=9)
    restored.load_state_dict(copy.deepcopy(kept.state_dict()))
    generator_of(restored).set_state(generator_of(kept).get_state())
    for association in (kept, restored):
        for inputs in torch.split(stream[200:], 10):
            association.learn(inputs, association.decode(association.encode(stream[:10])))
    for name, value in kept.state_dict().items():
        assert torch.equal(value, restored.state_dict()[name]), name


@pytest.mark.parametrize("shape", SHAPES)
def test_the_autoencoder_takes_any_shape(shape: tuple[int, ...]) -> None:
    association = gumbel(shape)
    inputs = inputs_of(shape, 6)
    association.learn(inputs, inputs[:3])
    symbols = association.encode(inputs)
    assert symbols.shape == (6, 16) and symbols.dtype == torch.int64 and int(symbols.max()) < 4
    assert association.decode(symbols).shape == inputs.shape


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
