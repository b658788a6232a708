"""A step that is not finite is not taken, and counted, however small the loss says it is."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from streamlearner.networks.adam import Adam
from streamlearner.networks.averaged import AveragedNetwork
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.batch_statistics import statistics_of
from streamlearner.networks.by_name import build_network, mlp
from streamlearner.networks.refused_steps import REFUSED


def taken(network: Network, *, gradient: float, loss: float) -> Tensor:
    """By how much each weight was moved."""
    before = [p.detach().clone() for p in network.weights]
    for p in network.weights:
        p.grad = torch.full_like(p, gradient)
    sgd_step(network, learning_rate=0.1, loss=loss)
    return torch.cat([(p - q).flatten() for p, q in zip(network.weights, before, strict=True)]).detach()


@pytest.mark.parametrize(
    ("gradient", "loss"),
    [(math.nan, 1.0), (math.inf, 1.0), (3e38, 1.0), (1e17, 1.0), (1.0, math.nan), (1.0, math.inf)],
)
def test_a_descent_that_is_not_finite_is_not_taken_and_is_counted(gradient: float, loss: float) -> None:
    network, before = mlp(input_shape=(3,), hidden=(4,)), REFUSED.count
    assert (taken(network, gradient=gradient, loss=loss) == 0).all()
    assert REFUSED.count == before + 1
    assert all(p.grad is None for p in network.weights)
    assert (taken(network, gradient=1.0, loss=1.0) != 0).all()
    assert REFUSED.count == before + 1


@pytest.mark.parametrize("value", [math.nan, math.inf, 3e38, 1e19])
def test_adam_takes_no_step_that_is_not_finite(value: float) -> None:
    optimiser, weights, before = Adam(count=2), torch.ones(2), REFUSED.count
    optimiser.step([weights], [torch.tensor([1.0, value])], learning_rate=0.01)
    assert weights.tolist() == [1.0, 1.0]
    assert int(optimiser.steps) == 0
    assert REFUSED.count == before + 1


def normalising() -> Network:
    return build_network(
        name="resnet18_reduced", input_shape=(3, 16, 16), generator=torch.Generator().manual_seed(0)
    )


def statistics(network: Network) -> Tensor:
    return torch.cat([buffer.flatten().double() for buffer in statistics_of(network)])


def step(network: Network, images: Tensor) -> Tensor:
    logits: Tensor = network.train()(images)
    loss = logits.square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    sgd_step(network, learning_rate=0.01, loss=float(loss.detach()))
    return logits


@pytest.mark.parametrize("absurd", [math.nan, math.inf, 3e38, 1e30])
def test_a_refused_step_leaves_the_statistics_of_batch_normalisation_as_they_were(absurd: float) -> None:
    network, images = normalising(), torch.rand(4, 3, 16, 16)
    step(network, images)
    before, refused = statistics(network), REFUSED.count
    step(network, torch.cat([images, images[:1] * absurd]))
    assert REFUSED.count == refused + 1
    assert statistics(network).equal(before)
    step(network, images)
    assert not statistics(network).equal(before) and statistics(network).isfinite().all()


def test_the_average_with_statistics_of_its_own_is_spared_too() -> None:
    averaged, images = AveragedNetwork(normalising(), own_batch_statistics=True), torch.rand(4, 3, 16, 16)
    for images_now in (images, images * math.inf):
        before = statistics(averaged.average)
        averaged.teacher_logits(images_now)
        step(averaged.network, images_now)
        averaged.update_average(decay=0.9)
    assert statistics(averaged.average).equal(before)


def test_statistics_of_one_dimension_are_copied_as_those_of_two_are() -> None:
    """A network of one's own may normalise feature vectors."""
    body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    one, other = (Network(body=copy.deepcopy(body), features=4, learning_rate=0.1) for _ in range(2))
    other.train()(torch.rand(8, 3))
    assert not statistics(one).equal(statistics(other))
    one.load_statistics(other)
    assert statistics(one).equal(statistics(other))
