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
"""Argument of the logistic function of an untrained gate: nearly open."""

Tensors = Mapping[str, Tensor]
"""Parameters of a network's body, or their gradients, by name."""


class Activity(NamedTuple):
    """Mean activations of a layer over the batch and all positions: of its inputs [channels], and of its
    outputs after ReLU [units]."""

    before: Tensor
    after: Tensor


class LayerGate(nn.Module):
    """The gate of one layer: an LSTM shared by all its units. For each unit it reads the incoming weights and
    the bias [f], their gradients [f], the mean activations before the layer [channels] and of the unit, and
    gives a multiplier for each weight, in (0, 1.05).

    Untrained it gives 1 everywhere: the weights of its output layer are 0.

    Differs: a logistic function instead of a tanh with a learned scale, so that no gradient changes its sign;
    biases are gated too. With `units`, each weight has a trained offset of its own, added to the output of
    the LSTM, as each has a learning rate in Meta-SGD (Li et al., 2017): an LSTM that all units share hardly
    tells them apart (on digits, outputs for different units of a new gate differ by 0.01).
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
        before = rms_normalised(activity.before).expand(len(weights), -1)
        after = rms_normalised(activity.after)[:, None]
        inputs_of_cells = torch.cat([weights, gradients, before, after], 1)
        output, (hidden, cell) = self.cells(
            inputs_of_cells[None], (state[0].contiguous(), state[1].contiguous())
        )
        logits: Tensor = self.output(output[0].relu())
        if self.own is not None:
            logits = logits + self.own
        return logits.sigmoid() * (1 + math.exp(-OPEN)), torch.stack([hidden, cell])


class UpdateGate(nn.Module):
    """A gate for each convolutional and fully connected layer of a network's body; the head has none.

    `state` [2, DEPTH, units, hidden] holds hidden and cell states of the LSTMs for all units, layer after
    layer. With `each_weight` the gate has an offset for each weight and fits this very network; without, any
    of the same architecture.
    """

    def __init__(self, network: Network, *, hidden: int, each_weight: bool = False) -> None:
        super().__init__()
        self.hidden = hidden
        self.layers = {name: tuple(layer.weight.shape) for name, layer in _gated_layers(network.body)}
        self.gates = nn.ModuleList(
            LayerGate(
                weights=math.prod(layer.weight.shape[1:]) + (layer.bias is not None),
                channels=layer.weight.shape[1],
                hidden=hidden,
                units=len(layer.weight) if each_weight else None,
            )
            for _, layer in _gated_layers(network.body)
        )

    def initial_state(self) -> Tensor:
        """The state before the first step, zeros [2, DEPTH, units, hidden]."""
        units = sum(shape[0] for shape in self.layers.values())
        return torch.zeros(2, DEPTH, units, self.hidden)

    def forward(
        self, weights: Tensors, gradients: Tensors, activities: Mapping[str, Activity], state: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Multipliers by the name of the weight or bias, shaped as it is, and the next state."""
        found, states = {}, []
        parts = torch.split(state, [shape[0] for shape in self.layers.values()], dim=2)
        for (name, shape), gate, part in zip(self.layers.items(), self.gates, parts, strict=True):
            multipliers, after = gate(
                _incoming(weights, name), _incoming(gradients, name), activities[name], part
            )
            found[f"{name}.weight"] = multipliers[:, : math.prod(shape[1:])].reshape(shape)
            if f"{name}.bias" in weights:
                found[f"{name}.bias"] = multipliers[:, -1]
            states.append(after)
        return found, torch.cat(states, 2)

    @torch.no_grad()
    def modulate(self, body: nn.Module, activities: Mapping[str, Activity], state: Tensor) -> Tensor:
        """Multiplies the `.grad` of the body's parameters in place. Returns the next state."""
        weights = dict(body.named_parameters())
        gradients = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
        multipliers, after = self.forward(weights, gradients, activities, state)
        for name, multiplier in multipliers.items():
            gradients[name].mul_(multiplier)
        return after


@contextmanager
def recorded_activities(body: nn.Module) -> Iterator[dict[str, Activity]]:
    """Yields a dict that a forward pass of the body, inside the context, fills: mean activations by layer
    name."""
    found: dict[str, Activity] = {}

    def watch(name: str) -> object:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[name] = Activity(
                _mean_by_channel(inputs[0].detach()), _mean_by_channel(output.detach().relu())
            )

        return hook

    handles = [layer.register_forward_hook(watch(name)) for name, layer in _gated_layers(body)]  # type: ignore[arg-type]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def rms_normalised(values: Tensor) -> Tensor:
    """Values divided by their root mean square, so that the gate sees all layers, and gradients early and
    late in training, on one scale. What is not finite becomes 0."""
    rms = values.detach().square().mean().sqrt().clamp_min(1e-12)
    return torch.nan_to_num(values / rms, nan=0.0, posinf=0.0, neginf=0.0)


def _incoming(values: Tensors, layer: str) -> Tensor:
    """The weights into each unit of the layer, and its bias if there is one, [units, f]; weights and biases
    are RMS-normalised separately."""
    parts = [rms_normalised(values[f"{layer}.weight"].flatten(1))]
    if f"{layer}.bias" in values:
        parts.append(rms_normalised(values[f"{layer}.bias"][:, None]))
    return torch.cat(parts, 1)


def _mean_by_channel(values: Tensor) -> Tensor:
    """Means [channels] of [n, channels, ...]."""
    return values.float().transpose(0, 1).flatten(1).mean(1)


def _gated_layers(body: nn.Module) -> Iterator[tuple[str, nn.Conv2d | nn.Linear]]:
    for name, layer in body.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            yield name, layer
