"""What half precision rounds is rounded once where nothing changes it, and the answers are the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from streamlearner.methods.graphs import in_full
from streamlearner.networks.at_rest import at_rest
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network

SHAPES = {"lenet": (1, 28, 28), "resnet18_reduced": (3, 16, 16), "mlp": (12,), "mlp_small_dropout": (1, 8, 8)}


def made(name: str, *, half: bool = True) -> Network:
    network = build_network(
        name=name, input_shape=SHAPES[name], generator=torch.Generator().manual_seed(1)
    ).eval()
    network.half_precision = half
    return network.requires_grad_(False)


def drawn(name: str, count: int) -> Tensor:
    return torch.randn(count, *SHAPES[name], generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("name", SHAPES)
def test_answers_are_the_same_to_the_bit(name: str) -> None:
    network = made(name)
    asked = [drawn(name, count) for count in (1, 8)]
    before, state = [network.features(each) for each in asked], network.state_dict()
    rested = at_rest(network)
    assert rested is network and network.rounded
    assert all(network.features(each).equal(found) for each, found in zip(asked, before, strict=True))
    assert all(
        tensor is state[key] or tensor.equal(state[key]) for key, tensor in rested.state_dict().items()
    )


def test_weights_are_kept_rounded_beside_those_that_are_exported() -> None:
    network = at_rest(made("lenet"))
    assert {each.dtype for each in network.rounded[0].parameters()} == {torch.bfloat16}
    assert {each.dtype for each in network.parameters()} == {torch.float32}


def test_in_full_precision_there_is_nothing_to_round() -> None:
    assert not at_rest(made("lenet", half=False)).rounded
    network = at_rest(made("lenet"))
    full = made("lenet", half=False)
    assert in_full(network).features(drawn("lenet", 2)).equal(full.features(drawn("lenet", 2)))


def test_other_weights_are_what_answers_from_then_on() -> None:
    network, other = at_rest(made("lenet")), made("lenet")
    for weight in other.weights:
        weight.mul_(0.5)
    network.load_state_dict(other.state_dict())
    assert network.features(drawn("lenet", 2)).equal(other.features(drawn("lenet", 2)))


class Peculiar(nn.Linear):
    """A user's own layer: it may do anything with its weights."""


def test_a_body_with_modules_of_others_is_left_as_it_is() -> None:
    network = Network(body=nn.Sequential(Peculiar(12, 4), nn.ReLU()), features=4, learning_rate=0.1)
    network.half_precision = True
    assert not at_rest(network.eval()).rounded
