"""A step that is not finite is not taken, and counted, however small the loss says it is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from streamlearner.networks.adam import Adam
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.by_name import mlp
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
