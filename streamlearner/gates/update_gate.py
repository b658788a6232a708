"""A learned update rule: a recurrent gate that multiplies each gradient before it moves a weight.

After "Learning to Remember from a Multi-Task Teacher" (paper 002), section 4 and 5.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from streamlearner.networks.base import Network

DEPTH = 3
"""Stacked LSTM layers, as in the paper."""
OPEN = 3.0
"""Where an untrained gate's logistic function stands: nearly open."""

Tensors = Mapping[str, Tensor]
"""Parameters of a network's body, or their gradients, by name."""


class Activity(NamedTuple):
    """What went into a layer, a mean over examples and places [channels], and what came out after
    rectification, likewise [units]."""

    before: Tensor
    after: Tensor


class LayerGate(nn.Module):
    """Of one layer, its cells shared by all units: reads what leads into a unit, weights and bias [f], their
    gradients [f], the activities before [channels] and after it, and gives a multiplier for each, in
    (0, 1.05).

    Untrained it gives 1 everywhere: the output layer's weights are 0.

    Differs: a logistic function instead of a tanh with a learned scale, so that no gradient changes its sign;
    biases are gated too. With `units`, each weight has an offset of its own beside what the cells say, as
    each has a step size in Meta-SGD (Li et al., 2017): cells that all units share tell them hardly apart (on
    digits outputs of fresh ones lie 0.01 apart).
    """

    def __init__(self, *, weights: int, channels: int, hidden: int, units: int | None = None) -> None:
        super().__init__()
        self.cells = nn.LSTM(2 * weights + channels + 1, hidden, num_layers=DEPTH)
        self.output = nn.Linear(hidden, weights)
        nn.init.zeros_(self.output.weight)
        nn.init.constant_(self.output.bias, OPEN)
        self.own = None if units is None else nn.Parameter(torch.zeros(units, weights))

    def forward(
        self, weights: Tensor, gradients: Tensor, activity: Activity, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Weights and gradients [units, f], state [2, DEPTH, units, hidden] to multipliers [units, f] and the
        next state."""
        before = levelled(activity.before).expand(len(weights), -1)
        after = levelled(activity.after)[:, None]
        seen = torch.cat([weights, gradients, before, after], 1)
        shown, (hidden, cell) = self.cells(seen[None], (state[0].contiguous(), state[1].contiguous()))
        said: Tensor = self.output(shown[0].relu())
        if self.own is not None:
            said = said + self.own
        return said.sigmoid() * (1 + math.exp(-OPEN)), torch.stack([hidden, cell])


class UpdateGate(nn.Module):
    """A gate for each convolution and fully connected layer of a network's body; the head goes without.

    `state` [2, DEPTH, units, hidden] is what all its cells remember, units layer after layer. With
    `each_weight` it is a gate for this very network, weight by weight; without, for any of its kind.
    """

    def __init__(self, network: Network, *, hidden: int, each_weight: bool = False) -> None:
        super().__init__()
        self.hidden = hidden
        self.layers = {name: tuple(layer.weight.shape) for name, layer in _layers(network.body)}
        self.gates = nn.ModuleList(
            LayerGate(
                weights=math.prod(layer.weight.shape[1:]) + (layer.bias is not None),
                channels=layer.weight.shape[1],
                hidden=hidden,
                units=len(layer.weight) if each_weight else None,
            )
            for _, layer in _layers(network.body)
        )

    def fresh(self) -> Tensor:
        """The state before the first step."""
        units = sum(shape[0] for shape in self.layers.values())
        return torch.zeros(2, DEPTH, units, self.hidden)

    def forward(
        self, weights: Tensors, gradients: Tensors, activities: Mapping[str, Activity], state: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Multipliers by the name of the weight or bias, shaped as it is, and the next state."""
        found, states = {}, []
        parts = torch.split(state, [shape[0] for shape in self.layers.values()], dim=2)
        for (name, shape), gate, part in zip(self.layers.items(), self.gates, parts, strict=True):
            multipliers, after = gate(_rows(weights, name), _rows(gradients, name), activities[name], part)
            found[f"{name}.weight"] = multipliers[:, : math.prod(shape[1:])].reshape(shape)
            if f"{name}.bias" in weights:
                found[f"{name}.bias"] = multipliers[:, -1]
            states.append(after)
        return found, torch.cat(states, 2)

    @torch.no_grad()
    def modulate(self, body: nn.Module, activities: Mapping[str, Activity], state: Tensor) -> Tensor:
        """Multiplies the gradients that the body's parameters hold, in place; the next state."""
        weights = dict(body.named_parameters())
        gradients = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
        multipliers, after = self.forward(weights, gradients, activities, state)
        for name, multiplier in multipliers.items():
            gradients[name].mul_(multiplier)
        return after


@contextmanager
def observed(body: nn.Module) -> Iterator[dict[str, Activity]]:
    """The activities of the body's layers, by name, once it has been called inside."""
    found: dict[str, Activity] = {}

    def watch(name: str) -> object:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[name] = Activity(_mean(inputs[0].detach()), _mean(output.detach().relu()))

        return hook

    handles = [layer.register_forward_hook(watch(name)) for name, layer in _layers(body)]  # type: ignore[arg-type]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def levelled(values: Tensor) -> Tensor:
    """Divided by their root mean square, so that a gate sees layers, and gradients early and late, on one
    scale; what is not a number becomes 0."""
    level = values.detach().square().mean().sqrt().clamp_min(1e-12)
    return torch.nan_to_num(values / level, nan=0.0, posinf=0.0, neginf=0.0)


def _rows(values: Tensors, layer: str) -> Tensor:
    """Of the layer's weights and of its biases, if it has any, each on one scale: what leads into each unit
    [units, f]."""
    parts = [levelled(values[f"{layer}.weight"].flatten(1))]
    if f"{layer}.bias" in values:
        parts.append(levelled(values[f"{layer}.bias"][:, None]))
    return torch.cat(parts, 1)


def _mean(values: Tensor) -> Tensor:
    """[n, channels, ...] to [channels]."""
    return values.float().transpose(0, 1).flatten(1).mean(1)


def _layers(body: nn.Module) -> Iterator[tuple[str, nn.Conv2d | nn.Linear]]:
    for name, layer in body.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            yield name, layer
