"""The optimiser that is part of a module's state: torch's arithmetic, and nothing lost in a checkpoint."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from streamlearner.networks.adam import Adam

SHAPES = ((7, 5), (7,), (3, 2, 2, 2))
COUNT = 66


def drawn(seed: int, *, scale: float = 1.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(shape, generator=generator) for shape in SHAPES]


def follow(optimiser: Adam, parameters: list[Tensor], steps: range) -> list[Tensor]:
    for seed in steps:
        optimiser.step(parameters, drawn(100 + seed), learning_rate=0.01)
    return parameters


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9)])
def test_it_moves_parameters_as_the_optimiser_of_torch_does(betas: tuple[float, float]) -> None:
    ours, theirs = drawn(0), [parameter.requires_grad_() for parameter in drawn(0)]
    torchs = torch.optim.Adam(theirs, lr=0.01, betas=betas)
    follow(Adam(count=COUNT, beta1=betas[0], beta2=betas[1]), ours, range(20))
    for seed in range(20):
        for parameter, gradient in zip(theirs, drawn(100 + seed), strict=True):
            parameter.grad = gradient
        torchs.step()
    for one, other, start in zip(ours, theirs, drawn(0), strict=True):
        torch.testing.assert_close(one, other.detach(), rtol=1e-6, atol=1e-7)
        assert not torch.allclose(one, start, atol=1e-3)


def test_a_state_loads_into_a_fresh_one_which_goes_on_bit_for_bit() -> None:
    optimiser, parameters = Adam(count=COUNT), drawn(0)
    follow(optimiser, parameters, range(5))
    fresh, copied = Adam(count=COUNT), copy.deepcopy(parameters)
    fresh.load_state_dict(optimiser.state_dict())
    follow(optimiser, parameters, range(5, 10))
    follow(fresh, copied, range(5, 10))
    assert all(torch.equal(one, other) for one, other in zip(parameters, copied, strict=True))


def test_a_value_without_gradient_stays_bit_for_bit() -> None:
    parameters = drawn(0)
    before = copy.deepcopy(parameters)
    optimiser = Adam(count=COUNT)
    for seed in range(5):
        gradients = drawn(seed)
        gradients[0][2] = 0.0
        optimiser.step(parameters, gradients, learning_rate=0.1)
    assert torch.equal(parameters[0][2], before[0][2])
    assert not torch.equal(parameters[0][1], before[0][1])


def test_a_long_gradient_counts_as_one_of_the_greatest_length() -> None:
    gradients = drawn(1)
    length = float(torch.cat([gradient.flatten() for gradient in gradients]).norm())
    limited, plain = Adam(count=COUNT, max_norm=length), Adam(count=COUNT)
    limited.step(drawn(0), drawn(1, scale=1000.0), learning_rate=0.01)
    plain.step(drawn(0), gradients, learning_rate=0.01)
    torch.testing.assert_close(limited.exp_avg, plain.exp_avg)
    limited.step(drawn(0), drawn(2, scale=0.001), learning_rate=0.01)
    plain.step(drawn(0), drawn(2, scale=0.001), learning_rate=0.01)
    torch.testing.assert_close(limited.exp_avg, plain.exp_avg)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_dropped(value: float) -> None:
    optimiser, parameters, gradients = Adam(count=COUNT, max_norm=100.0), drawn(0), drawn(1)
    gradients[1][0] = value
    optimiser.step(parameters, gradients, learning_rate=0.01)
    assert all(torch.equal(one, other) for one, other in zip(parameters, drawn(0), strict=True))
    assert int(optimiser.steps) == 0
