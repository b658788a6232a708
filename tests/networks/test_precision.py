"""The arithmetic of a network is chosen by what was measured, whatever else the machine does meanwhile."""

from __future__ import annotations

import random

import pytest
import torch

from streamlearner.networks.base import Network
from streamlearner.networks.by_name import mlp
from streamlearner.networks.precision import choose

SHAPE = (1, 4, 4)


class Clock:
    """A second for a step in float32, `half_s` in bfloat16; now and then something else takes ten more."""

    def __init__(self, network: Network, *, half_s: float, disturbed: float) -> None:
        self.network, self.half_s, self.disturbed = network, half_s, disturbed
        self.now, self.rng = 0.0, random.Random(3)

    def __call__(self) -> float:
        self.now += self.half_s if self.network.half_precision else 1.0
        self.now += 10.0 * (self.rng.random() < self.disturbed)
        return self.now


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    made = mlp(input_shape=SHAPE, hidden=(4,))
    made.head.grow(2)
    return made


@pytest.mark.parametrize(
    ("half_s", "taken"), [(0.3, True), (0.8, True), (0.95, False), (1.0, False), (12.0, False)]
)
@pytest.mark.parametrize("disturbed", [0.0, 0.2])
def test_bfloat16_is_taken_where_it_is_faster(
    network: Network, half_s: float, taken: bool, disturbed: float
) -> None:
    clock = Clock(network, half_s=half_s, disturbed=disturbed)
    assert choose(network, setting="auto", input_shape=SHAPE, clock=clock) is taken
    assert network.half_precision is False  # as it was


@pytest.mark.parametrize(("setting", "half"), [("fp32", False), ("bf16", True)])
def test_what_is_set_is_not_measured(network: Network, setting: str, half: bool) -> None:
    def never() -> float:
        raise AssertionError("measured")

    assert choose(network, setting=setting, input_shape=SHAPE, clock=never) is half
