"""Dropout has a chance of its own: repeated after a restart."""

from __future__ import annotations

import copy

import pytest
import torch

from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network
from streamlearner.networks.dropout import Dropout


def made() -> Network:
    return build_network(name="mlp_dropout", input_shape=(5,), generator=torch.Generator().manual_seed(0))


def test_dropout_repeats_its_chance_after_a_restart_and_answers_without_it() -> None:
    network = made()
    network.head.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    inputs = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    network.train()(inputs)
    twin, restored = copy.deepcopy(network), made()
    restored.load_state_dict(network.state_dict())
    first = network(inputs)
    assert torch.equal(twin(inputs), first)
    assert torch.equal(restored.train()(inputs), first)
    assert not torch.equal(network(inputs), first)
    network.eval()
    assert torch.equal(network(inputs), network(inputs))


def test_dropout_keeps_the_mean() -> None:
    layer = Dropout(rate=0.25, seed=0)
    values = layer(torch.ones(200, 200))
    assert float((values == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert float(values.mean()) == pytest.approx(1.0, abs=0.02)
