"""The trellis association: less distortion than the transform at equal bits, and codes that last."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.associations.trellis import TrellisAssociation
from tests.support.associations import (
    SHAPES,
    digits,
    distortion,
    follow,
    inputs_of,
    textures,
    transform,
    trellis,
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("bits", [60, 120])
def test_it_distorts_less_than_the_transform_at_equal_bits(bits: int) -> None:
    stream, unseen = textures(2000), textures(500, seed=1)
    ours, theirs = (follow(build((3, 16, 16), bits), stream) for build in (trellis, transform))
    assert distortion(ours, unseen) < 0.8 * distortion(theirs, unseen)


def test_distortion_falls_with_bits() -> None:
    stream = digits()
    found = [distortion(follow(trellis((1, 16, 16), bits), stream), stream) for bits in (10, 30, 90, 200)]
    assert found == sorted(found, reverse=True)
    assert found[2] < 0.15 and found[3] < 0.05


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [1, 7, 100])
def test_codes_of_any_shape_fit_their_bits(shape: tuple[int, ...], bits: int) -> None:
    inputs = inputs_of(shape)
    association: Association = trellis(shape, bits)
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
        assert present.decode(symbols[:0]).shape == (0, *shape)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 6), (5,)])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_constant_inputs_come_back(shape: tuple[int, ...], value: float) -> None:
    inputs = torch.full((30, *shape), value)
    association = follow(trellis(shape, 20), inputs)
    torch.testing.assert_close(association.decode(association.encode(inputs)), inputs, atol=2e-3, rtol=0.0)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_feature_vectors_of_any_scale_are_coded_where_they_vary(scale: float) -> None:
    inputs = inputs_of((32,), 2000) * torch.linspace(1.0, 0.001, 32).pow(2) * scale + 3.0 * scale
    assert distortion(follow(trellis((32,), 64), inputs), inputs) < 0.05


def remembered(association: TrellisAssociation, stream: Tensor) -> tuple[Association, Tensor, list[int]]:
    """The association after a stream, all its codes (recoded at renewals), and when it was renewed."""
    present: Association = association
    codes, renewals = present.encode(stream[:0]), []
    for start, inputs in zip(range(0, len(stream), 10), stream.split(10), strict=True):
        present.learn(inputs, None)
        renewed = present.renew()
        if renewed is not None:
            codes = renewed.encode(present.decode(codes))
            present = renewed
            renewals.append(start + len(inputs))
        codes = torch.cat([codes, present.encode(inputs)])
    return present, codes, renewals


def test_late_fits_begin_generations_and_leave_codes_alone() -> None:
    stream = textures(5000)
    association, codes, renewals = remembered(trellis((3, 16, 16), 100), stream)
    assert renewals == [20, 60, 180, 540]
    assert codes[:, 0].unique().tolist() == [0, 1, 2]  # from 1,620 and 4,860 examples on
    later = association.decode(codes[-100:])
    torch.testing.assert_close(later, association.decode(codes)[-100:])
    early = stream[540:1620]
    kept = (association.decode(codes[540:1620]) - early).square().mean()
    fresh = (association.decode(association.encode(early)) - early).square().mean()
    assert kept < 1.2 * fresh


def test_once_all_generations_are_taken_it_is_renewed_and_begins_again() -> None:
    stream = textures(4500)
    association, codes, renewals = remembered(trellis((3, 16, 16), 100, growth=1.5), stream)
    assert renewals[:4] == [20, 30, 50, 80]
    assert max(renewals) > 2000
    assert distortion(association, stream) < 0.15
    assert (association.decode(codes) - stream).square().mean() < 0.2 * (
        stream - stream.mean(0)
    ).square().mean()


def test_it_follows_a_stream_whose_distribution_changes() -> None:
    before, after = inputs_of((8,), 1000), inputs_of((8,), 4000, seed=1) * 20.0
    stale = follow(trellis((8,), 80), before)
    assert (
        distortion(follow(trellis((8,), 80), torch.cat([before, after])), after)
        < distortion(stale, after) / 4
    )


def test_a_restored_one_goes_on_bit_for_bit() -> None:
    stream = textures(3000)
    kept = follow(trellis((3, 16, 16), 100), stream[:1700])
    restored: Association = trellis((3, 16, 16), 100)
    restored.load_state_dict(copy.deepcopy(kept.state_dict()))
    kept, restored = follow(kept, stream[1700:]), follow(restored, stream[1700:])
    assert restored.radices == kept.radices
    for name, value in kept.state_dict().items():
        assert torch.equal(value, restored.state_dict()[name]), name
    assert torch.equal(kept.decode(kept.encode(stream)), restored.decode(restored.encode(stream)))


def test_large_images_need_no_matrix_of_all_their_pixels() -> None:
    inputs = inputs_of((3, 96, 96), 40)
    association = follow(trellis((3, 96, 96), 200), inputs)
    assert distortion(association, inputs) < 0.2


@pytest.mark.parametrize(
    "arguments", [{"code_bits": 0}, {"growth": 1.0}, {"first_fit_examples": 0}, {"input_shape": (28, 28)}]
)
def test_impossible_settings_are_refused_with_what_was_found(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TrellisAssociation(**{"input_shape": (4,), "code_bits": 9} | arguments)  # type: ignore[arg-type]


def test_a_state_has_the_size_that_version_0_1_gave_it() -> None:
    """Of images of CIFAR's size: 3 cosines for each of 160 bits, of the stream's covariance and of its
    mean."""
    state = trellis((3, 32, 32), 160).state_dict()
    assert state["covariance.centre"].shape == (480,)
    assert transform((3, 32, 32), 160).state_dict()["centre"].shape == (640,)
