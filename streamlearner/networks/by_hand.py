"""Gradients of fully connected networks without autograd, to the bit: its records took a third of a step."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from streamlearner.networks.base import Network, in_mode, sgd_step
from streamlearner.networks.standardisation import Standardisation

_nll = torch.ops.aten.nll_loss_forward.default
_through_softmax = torch.ops.aten._log_softmax_backward_data.default
_through_relu = torch.ops.aten.threshold_backward.default
"""As autograd calls them."""

_BEFORE = (Standardisation, nn.Flatten)
"""What may stand before the first linear layer: nothing there is learned."""


class Pass(NamedTuple):
    """Of a forward pass: logits [n, rows], and what came into each linear layer, that of the head last."""

    logits: Tensor
    entering: list[Tensor]


def descend(
    network: Network,
    inputs: Tensor,
    *,
    classes: int,
    loss: Callable[[Tensor], Tensor],
    by_hand: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None,
    learning_rate: float,
) -> tuple[Tensor, float]:
    """One step of SGD (`sgd_step`) on the `loss` of the logits [n, classes] for these inputs. Logits and loss
    are from before it. `by_hand`, if given, is the same loss with its gradient [n, classes]: then no part of
    the step needs autograd."""
    if not can_pass(network):
        logits = in_mode(network, training=True)(inputs)[:, :classes]
        lost = loss(logits)
        lost.backward()  # type: ignore[no-untyped-call]
        value = float(lost.detach())
        sgd_step(network, learning_rate=learning_rate, loss=value)
        return logits.detach(), value
    found = forward(in_mode(network, training=True), inputs)
    logits = found.logits[:, :classes]
    if by_hand is None:
        lost, of_logits = _by_autograd(loss, logits)
    else:
        lost, of_logits = by_hand(logits)
    value, of_weights = float(lost), gradients(network, found, of_logits)
    sgd_step(network, learning_rate=learning_rate, loss=value, gradients=of_weights)
    return logits, value


def _by_autograd(loss: Callable[[Tensor], Tensor], logits: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.detach().requires_grad_(True)
    lost = loss(leaf)
    (gradient,) = torch.autograd.grad(lost, leaf)
    return lost.detach(), gradient


def can_pass(network: Network) -> bool:
    """Whether the body is a row of linear layers, each with its ReLU, computed in float32 on the CPU; asked
    with each step."""
    if network.cut or network.half_precision:
        return False
    found = network.by_hand
    if found is None:
        found = network.by_hand = _is_row(network.body)
    return found and network.head.weight.device.type == "cpu"


def _is_row(body: nn.Module) -> bool:
    if type(body) is not nn.Sequential:
        return False
    layers = list(body)
    if layers and type(layers[0]) in _BEFORE:
        layers.pop(0)
    linear, active = layers[::2], layers[1::2]
    plain = all(not part._forward_hooks and not part._forward_pre_hooks for part in body.modules())
    return (
        bool(linear)
        and len(linear) == len(active)
        and all(type(layer) is nn.Linear and layer.bias is not None for layer in linear)
        and all(min(weight.shape) > 1 for weight in body.parameters() if weight.ndim > 1)  # see `gradients`
        and all(type(layer) is nn.ReLU for layer in active)
        and all(weight.dtype == torch.float32 for weight in body.parameters())
        and len({weight.requires_grad for weight in body.parameters()}) == 1
        and plain
    )


@torch.no_grad()
def logits(network: Network, inputs: Tensor) -> Tensor:
    """What is answered to inputs [n, *input_shape] float32, [n, rows]."""
    if can_pass(network) and inputs.device.type == "cpu":
        return forward(network, inputs).logits
    return in_mode(network, training=False)(inputs)  # type: ignore[no-any-return]


@torch.no_grad()
def forward(network: Network, inputs: Tensor) -> Pass:
    """As `network(inputs)`, of inputs [n, *input_shape] float32; training or not is the same here."""
    weights = network.weights
    values, first = inputs, network.body[0]  # type: ignore[index]
    if isinstance(first, Standardisation):
        values = first.by_numpy(inputs)
    elif isinstance(first, nn.Flatten):
        values = first.forward(inputs)
    entering = [values]
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        values = torch.addmm(bias, values, weight.t()).relu_()
        entering.append(values)
    return Pass(torch.addmm(weights[-1], values, weights[-2].t()), entering)


@torch.no_grad()
def gradients(network: Network, found: Pass, of_logits: Tensor) -> list[Tensor]:
    """Of `network.weights`, in their order, from the gradient of the logits [n, classes]. (What enters a
    layer of one input is row and column at once, for which autograd multiplies in another order.)"""
    weights, entering = network.weights, found.entering
    classes = of_logits.shape[1]
    going = of_logits
    if classes < found.logits.shape[1]:
        going = torch.zeros_like(found.logits)
        going[:, :classes] = of_logits
    backwards: list[Tensor] = []
    for place in range(len(entering) - 1, -1, -1):
        backwards += (going.sum(0), going.t().mm(entering[place]))
        if place:
            going = _through_relu(going.mm(weights[2 * place]), entering[place], 0)
    return backwards[::-1]


@torch.no_grad()
def cross_entropy(logits: Tensor, labels: Tensor, *, first: int | None = None) -> tuple[Tensor, Tensor]:
    """The mean over [n, classes], some of them minus infinity, and its gradient; or the mean over the `first`
    plus the mean over the others."""
    likelihood = logits.log_softmax(1)
    n = len(labels)
    parts = [slice(0, n)] if first is None or first == n else [slice(0, first), slice(first, n)]
    losses = [_nll(likelihood[part], labels[part], None, 1, -100)[0] for part in parts]
    shares = _shares(tuple(part.stop - part.start for part in parts))
    of_likelihood = torch.zeros_like(likelihood).scatter_(1, labels[:, None], shares)
    gradient = _through_softmax(of_likelihood, likelihood, 1, logits.dtype)
    return (losses[0] if len(losses) == 1 else losses[0] + losses[1]), gradient


@lru_cache(maxsize=64)
def _shares(counts: tuple[int, ...]) -> Tensor:
    """The gradient of means of so many negated values each, by each of these, [n, 1]."""
    return torch.cat([torch.full((count, 1), -1.0 / count) for count in counts])
