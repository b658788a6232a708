"""What is not finite is found by name, in weights and in the statistics of a network."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from streamlearner.networks.by_name import build_network
from streamlearner.networks.finiteness import not_finite


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["0.head.weight", "0.body.1.running_var"])
def test_a_weight_or_statistic_that_is_not_finite_is_named(name: str, value: float) -> None:
    made = build_network(name="resnet18_reduced", input_shape=(3, 16, 16), generator=torch.Generator())
    module = nn.ModuleList([made])
    assert not_finite(module) is None
    module.state_dict()[name].view(-1)[0] = value
    assert not_finite(module) == name
