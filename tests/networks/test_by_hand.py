"""Steps without autograd are those that autograd takes, to the bit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.by_hand import can_pass, cross_entropy, descend
from streamlearner.networks.by_name import lenet, mlp, mlp_dropout

SHAPES = [((16,), (400, 400)), ((2,), (2,)), ((7,), (33, 5, 12)), ((1, 8, 8), (20,)), ((3, 9, 7), (48, 48))]


def made(input_shape: tuple[int, ...], hidden: tuple[int, ...], classes: int) -> Network:
    torch.manual_seed(0)
    network = mlp(input_shape=input_shape, hidden=hidden)
    network.head.grow(classes)
    nn.init.normal_(network.head.weight, std=0.3)
    if len(input_shape) == 1:
        network.update_input_statistics(3 * torch.randn(50, *input_shape) + 1)
    return network


def by_autograd(network: Network, inputs: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, float]:
    logits = network.train()(inputs)[:, :classes]
    loss = F.cross_entropy(logits, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    sgd_step(network, learning_rate=0.2, loss=float(loss.detach()))
    return logits.detach(), float(loss.detach())


@pytest.mark.parametrize(("input_shape", "hidden"), SHAPES)
@pytest.mark.parametrize("classes", [1, 10, 16, 40])
@pytest.mark.parametrize("whole", [False, True])
def test_weights_after_a_step_are_those_of_autograd_to_the_bit(
    input_shape: tuple[int, ...], hidden: tuple[int, ...], classes: int, whole: bool
) -> None:
    network = made(input_shape, hidden, classes)
    other = copy.deepcopy(network)
    assert can_pass(network)
    for count in (1, 22, 64):
        inputs, labels = torch.randn(count, *input_shape), torch.randint(classes, (count,))

        def loss(logits: Tensor, labels: Tensor = labels) -> Tensor:
            return F.cross_entropy(logits, labels)

        def loss_and_gradient(logits: Tensor, labels: Tensor = labels) -> tuple[Tensor, Tensor]:
            return cross_entropy(logits, labels)

        found, value = descend(
            network,
            inputs,
            classes=classes,
            loss=loss,
            by_hand=loss_and_gradient if whole else None,
            learning_rate=0.2,
        )
        logits, expected = by_autograd(other, inputs, labels, classes)
        assert torch.equal(found, logits)
        assert value == expected
        for weight, wanted in zip(network.weights, other.weights, strict=True):
            assert torch.equal(weight, wanted)
            assert weight.grad is None


def test_a_class_that_does_not_compete_has_no_gradient() -> None:
    logits, labels = torch.randn(5, 4), torch.tensor([0, 1, 1, 3, 0])
    absent = torch.tensor([False, False, True, False])
    leaf = logits.clone().requires_grad_(True)
    loss = F.cross_entropy(leaf.masked_fill(absent, -torch.inf), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    found, gradient = cross_entropy(logits.masked_fill(absent, -torch.inf), labels)
    assert torch.equal(found, loss.detach())
    assert leaf.grad is not None
    assert torch.equal(gradient, leaf.grad)


@pytest.mark.parametrize("first", [1, 7, 21])
def test_of_two_means_the_gradient_is_that_of_their_sum(first: int) -> None:
    logits, labels = torch.randn(22, 12), torch.randint(12, (22,))
    leaf = logits.clone().requires_grad_(True)
    loss = F.cross_entropy(leaf[:first], labels[:first]) + F.cross_entropy(leaf[first:], labels[first:])
    loss.backward()  # type: ignore[no-untyped-call]
    found, gradient = cross_entropy(logits, labels, first=first)
    assert torch.equal(found, loss.detach())
    assert leaf.grad is not None
    assert torch.equal(gradient, leaf.grad)


def hooked() -> Network:
    network = made((4,), (5,), 3)
    network.body[1].register_forward_hook(lambda module, given, found: found * 2)  # type: ignore[index]
    return network


def halved() -> Network:
    network = made((4,), (5,), 3)
    network.half_precision = True
    return network


def own() -> Network:
    body = nn.Sequential(nn.Linear(4, 5), nn.Tanh())
    return Network(body=body, features=5, learning_rate=0.1)


@pytest.mark.parametrize(
    "network",
    [
        lenet(input_shape=(1, 28, 28)),
        mlp_dropout(input_shape=(4,)),
        hooked(),
        halved(),
        own(),
        made((4,), (5, 1), 3),
    ],
    ids=["convolutions", "dropout", "hooks", "half precision", "another activation", "one unit"],
)
def test_autograd_takes_the_steps_of_all_other_networks(network: Network) -> None:
    assert not can_pass(network)
