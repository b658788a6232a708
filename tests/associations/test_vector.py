"""The association of feature vectors: bits by what columns vary in their own units, raw while that fits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.associations.transform import TransformAssociation
from streamlearner.associations.vector import VectorAssociation
from tests.support.associations import follow


def vector(values: int, bits: int, *, may_be_longer: bool = False) -> VectorAssociation:
    return VectorAssociation(input_shape=(values,), code_bits=bits, may_be_longer=may_be_longer)


def breast_cancer() -> tuple[Tensor, Tensor]:
    values, labels = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return torch.tensor(values[order], dtype=torch.float32), torch.tensor(labels[order])


def with_noise() -> tuple[Tensor, Tensor]:
    """64 values of digits from 1e-3 to 1e3, and 16 of noise of 1e4."""
    values, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    scaled = values[order] * 10.0 ** rng.uniform(-3, 3, 64)
    noisy = np.hstack([scaled, 1e4 * rng.standard_normal((len(order), 16))])
    return torch.tensor(noisy, dtype=torch.float32), torch.tensor(labels[order])


def errors(association: Association, inputs: Tensor) -> Tensor:
    """Of each column that varies: mean squared error over its variance."""
    varies = inputs.var(0) > 0
    error = (association.decode(association.encode(inputs)) - inputs).square().mean(0)
    return error[varies] / inputs.var(0, correction=0)[varies]


def error_of_class_means(inputs: Tensor, labels: Tensor) -> float:
    varies = inputs.var(0) > 0
    means = torch.stack([inputs[labels == k].mean(0) for k in range(int(labels.max()) + 1)])
    error = (means[labels] - inputs).square().mean(0)
    return float((error[varies] / inputs.var(0, correction=0)[varies]).mean())


@pytest.mark.parametrize(
    ("stream", "bits", "share", "most"), [(breast_cancer, 60, 0.1, 0.1), (with_noise, 160, 0.6, 0.3)]
)
def test_scales_and_noise_take_no_bits_from_what_matters(
    stream: Callable[[], tuple[Tensor, Tensor]], bits: int, share: float, most: float
) -> None:
    """As bits go by raw variance 16 of 30 columns of breast cancer get none, and each is as far off as its
    mean."""
    inputs, labels = stream()
    of_columns = errors(follow(vector(inputs.shape[1], bits), inputs), inputs)
    former = errors(
        follow(TransformAssociation(input_shape=inputs.shape[1:], code_bits=bits), inputs), inputs
    )
    assert former.max() > 0.95
    assert of_columns.mean() < share * error_of_class_means(inputs, labels)
    assert of_columns.quantile(0.8) < most


def test_scale_changes_no_code() -> None:
    inputs, _ = breast_cancer()
    scale = 2.0 ** torch.arange(-15, 15)  # exact in float32
    one, other = follow(vector(30, 60), inputs), follow(vector(30, 60), inputs * scale)
    torch.testing.assert_close(
        other.decode(other.encode(inputs * scale)) / scale,
        one.decode(one.encode(inputs)),
        rtol=1e-3,
        atol=1e-3,
    )


def test_columns_that_never_vary_or_hardly_ever_cost_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(2_000, 4, generator=rng)
    rare = (torch.rand(2_000, 20, generator=rng) < 0.002).float()
    constant = torch.full((2_000, 20), 7.0)
    alone, among = vector(4, 16), vector(44, 16)
    wide = torch.cat([rare, inputs, constant], 1)
    found = follow(among, wide)
    decoded = found.decode(found.encode(wide))
    expected = errors(follow(alone, inputs), inputs).mean()
    assert float((decoded[:, 20:24] - inputs).square().mean()) < 1.3 * float(expected)
    torch.testing.assert_close(decoded[:, 24:], constant)


def test_correlated_columns_share_their_bits() -> None:
    rng = torch.Generator().manual_seed(0)
    hidden = torch.randn(2_000, 3, generator=rng)
    inputs = hidden @ torch.randn(3, 24, generator=rng) + 0.05 * torch.randn(2_000, 24, generator=rng)
    assert errors(follow(vector(24, 15), inputs), inputs).mean() < 0.01


def test_one_absurd_value_does_not_spoil_its_column() -> None:
    inputs, _ = breast_cancer()
    struck = inputs.clone()
    struck[150, 3] = 3e38
    found = follow(vector(30, 60), struck)
    assert found.decode(found.encode(struck)).isfinite().all()
    assert errors(found, inputs)[3] < 0.2


def test_vectors_are_only_rounded_until_codes_are_shortened() -> None:
    inputs, _ = breast_cancer()
    whole = follow(vector(30, 60, may_be_longer=True), inputs)
    torch.testing.assert_close(whole.decode(whole.encode(inputs)), inputs, rtol=2.0**-16, atol=0.0)
    lengths: list[float] = []
    present: Association = whole
    while (shorter := present.shortened(0.0 if lengths else 185.0)) is not None:
        lengths.append(math.fsum(map(math.log2, shorter.radices)))
        assert errors(shorter, inputs).mean() < 0.1
        present = shorter
    assert lengths == [180.0, 60.0]
    assert present.shortened(0.0) is None


def test_configured_codes_are_as_long_as_was_said_from_the_first() -> None:
    inputs, _ = breast_cancer()
    found = follow(vector(30, 60), inputs)
    assert math.fsum(map(math.log2, found.radices)) == 60
    assert found.shortened(10.0) is None


def test_a_state_of_0_1_0_is_read_by_what_wrote_it() -> None:
    inputs, _ = breast_cancer()
    former = follow(TransformAssociation(input_shape=(30,), code_bits=60), inputs)
    state = former.state_dict()
    restored = vector(30, 60, may_be_longer=True).restoring(state.keys())
    restored.load_state_dict(state)
    codes = former.encode(inputs)
    assert torch.equal(restored.encode(inputs), codes)
    assert torch.equal(restored.decode(codes), former.decode(codes))
    own = vector(30, 60)
    assert own.restoring(own.state_dict().keys()) is own


@pytest.mark.parametrize("arguments", [((3, 4, 4), 8), ((4,), 0)])
def test_impossible_settings_are_refused(arguments: tuple[tuple[int, ...], int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        VectorAssociation(input_shape=arguments[0], code_bits=arguments[1])
