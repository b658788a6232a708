"""One absurd value, whenever it comes, does not ruin the statistics of feature vectors."""

import pytest
import torch
from torch import Tensor

from streamlearner.associations.block_covariance import BlockCovariance
from streamlearner.associations.contract import Association
from streamlearner.associations.transform import TransformAssociation
from streamlearner.associations.trellis import TrellisAssociation
from streamlearner.associations.vector import VectorAssociation
from streamlearner.networks import outliers
from streamlearner.networks.base import Standardisation
from streamlearner.networks.outliers import without_outliers

ABSURD = (1e4, 1e20, 1e30, 9.97e36, -3.4e38)
PLACES = (0, 5, 40, 503)


def stream(value: float, place: int, *, count: int = 1_500) -> Tensor:
    """Vectors within 3 of 0, but for one value."""
    drawn = torch.randn(count, 4, generator=torch.Generator().manual_seed(1)).clamp(-3, 3)
    drawn[place, 1] = value
    return drawn


@pytest.mark.parametrize("size", [1, 10])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", ABSURD)
def test_one_absurd_value_leaves_the_scale_of_its_column(value: float, place: int, size: int) -> None:
    scale = Standardisation(features=4)
    for part in torch.split(stream(value, place), size):
        scale.update(part)
    assert scale.mean.abs().max() < 0.2
    assert (scale.variance > 0.8).all() and (scale.variance < 2.0).all()


def test_a_change_of_scale_still_gets_through() -> None:
    scale = Standardisation(features=4)
    for part in torch.split(torch.cat([stream(0.0, 0), 100 * stream(0.0, 0)]), 10):
        scale.update(part)
    assert (scale.variance.sqrt() > 30).all()


def test_a_standardisation_that_was_poisoned_before_begins_again() -> None:
    scale = Standardisation(features=4)
    scale.update(stream(0.0, 0)[:200])
    scale.variance[1], scale.mean[1] = torch.inf, 1e38
    for part in torch.split(stream(0.0, 0), 10):
        scale.update(part)
    assert scale.mean.abs().max() < 0.2 and (scale.variance < 2.0).all()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", ABSURD)
def test_one_absurd_value_leaves_the_covariance_finite_and_of_the_right_size(
    value: float, place: int
) -> None:
    covariance = BlockCovariance(
        mean=torch.zeros(4), variance=torch.ones(4), blocks=torch.zeros(4, dtype=torch.int64)
    )
    for part in torch.split(stream(value, place), 10):
        covariance.update(covariance.limited(part))
    assert covariance.product.isfinite().all()
    assert (covariance.variance > 0.8).all() and (covariance.variance < 2.0).all()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", ABSURD)
@pytest.mark.parametrize("kind", [TransformAssociation, TrellisAssociation, VectorAssociation])
def test_codes_still_tell_ordinary_vectors_apart_after_an_absurd_value(
    kind: type[Association], value: float, place: int
) -> None:
    coded = kind(input_shape=(4,), code_bits=16)  # type: ignore[call-arg]
    inputs = stream(value, place)
    for part in torch.split(inputs, 10):
        coded.learn(part, None)
        coded.encode(part)
        coded = coded.renew() or coded
    ordinary = inputs[1_200:1_400]
    assert (coded.decode(coded.encode(ordinary)) - ordinary).abs().mean() < 0.3


def test_settled_statistics_that_numpy_looks_at_limit_inputs_as_torch_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    cases = []
    for spread in (1, 10, 20):
        mean, variance = torch.randn(16) * 10 ** torch.randn(16), torch.rand(16) * 10 ** torch.randn(16)
        inputs = torch.randn(10, 16) * 10 ** (spread * torch.randn(10, 16))
        cases.append((inputs, mean, variance + 1e-9))
    found = [without_outliers(x, mean=mean, variance=variance, seen=500) for x, mean, variance in cases]
    monkeypatch.setattr(outliers, "_within_reach", lambda *given: None)
    wanted = [without_outliers(x, mean=mean, variance=variance, seen=500) for x, mean, variance in cases]
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("features", [1, 3, 16, 200])
def test_inputs_are_standardised_by_numpy_as_by_torch_to_the_bit(features: int) -> None:
    torch.manual_seed(0)
    standardisation = Standardisation(features=features)
    for _ in range(20):
        standardisation.update(torch.randn(10, features) * 10 ** torch.randn(features))
        inputs = torch.randn(22, features) * 10 ** (3 * torch.randn(features))
        assert torch.equal(standardisation.by_numpy(inputs), standardisation(inputs))
