"""Of what a network is made: a body, an open head, the scale of its inputs; and the steps that move it."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD_BLOCK = 16
"""Classes are added to a head in blocks, so that a stream of new ones does not reallocate at each."""

USUAL_LOSS = 10.0
"""Cross-entropy of answers that are wrong and sure; two such terms add up in a step with recollections."""
LONGEST_GRADIENT = 50.0
"""Usual runs stay below (digits 8, MNIST 28, by class); features of scale 30 and more, without this limit,
ended in weights that are not numbers."""


class OpenHead(nn.Module):
    """A linear layer whose outputs grow: unused rows are zero, so an unseen class starts from logit 0.

    `load_state_dict` accepts any number of rows and takes it over.
    """

    def __init__(self, *, features: int) -> None:
        super().__init__()
        self.in_features = features
        self.weight = nn.Parameter(torch.zeros(HEAD_BLOCK, features))
        self.bias = nn.Parameter(torch.zeros(HEAD_BLOCK))

    @property
    def rows(self) -> int:
        return self.weight.shape[0]

    def grow(self, classes: int) -> bool:
        """Makes room for `classes` outputs; True when rows were added. Known rows keep their weights."""
        if classes <= self.rows:
            return False
        self._resize(math.ceil(classes / HEAD_BLOCK) * HEAD_BLOCK)
        return True

    def _resize(self, rows: int) -> None:
        kept = min(rows, self.rows)
        weight, bias = self.weight.data.new_zeros(rows, self.in_features), self.bias.data.new_zeros(rows)
        weight[:kept], bias[:kept] = self.weight.data[:kept], self.bias.data[:kept]
        requires_grad = self.weight.requires_grad
        self.weight = nn.Parameter(weight, requires_grad=requires_grad)
        self.bias = nn.Parameter(bias, requires_grad=requires_grad)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight, self.bias)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        found = state_dict.get(prefix + "weight")
        if isinstance(found, Tensor) and found.ndim == 2 and found.shape[0] != self.rows:
            self._resize(found.shape[0])
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Standardisation(nn.Module):
    """Feature vectors to mean 0 and variance 1, by what was met so far; features have any scale, gradient
    steps not.

    Values beyond ten standard deviations are clamped, and counted as ten once `SETTLED` examples were met:
    one wild measurement must not outweigh all others, nor flatten them for good. (A true change of scale
    gets through: ten deviations at a time.)
    """

    SETTLED = 100

    count: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, *, features: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))

    @torch.no_grad()
    def meet(self, inputs: Tensor) -> None:
        """Takes note of new inputs [n, d] (Chan et al., 1983: the pooled mean and variance)."""
        inputs = inputs.to(self.mean.device)
        if self.count >= self.SETTLED:
            most = (10.0 * self.variance.sqrt()).where(self.variance > 0, torch.inf)
            inputs = inputs.clamp(self.mean - most, self.mean + most)
        weight = len(inputs) / (self.count + len(inputs))
        shift = inputs.mean(0) - self.mean
        spread = inputs.var(0, correction=0) + (1 - weight) * shift.square()
        self.variance.lerp_(spread, weight)
        self.mean.add_(weight * shift)
        self.count += len(inputs)

    def forward(self, inputs: Tensor) -> Tensor:
        scale = self.variance.sqrt().clamp_min(1e-6 + 1e-6 * self.mean.abs().max())
        return ((inputs - self.mean) / scale).clamp(-10.0, 10.0)


class Network(nn.Module):
    """A body that makes features [n, f] and an open head that makes logits [n, rows]. `learning_rate` is the
    step size of plain gradient descent that suits it, where the user sets none.

    Images are computed channels last: the same step of the LeNet took 4 ms instead of 7 (batch of 22, one
    core). `half_precision` computes the body in bfloat16 (weights stay float32); it is part of the state,
    so that a restart computes alike. The network may live on another device than its inputs: answers come
    back to theirs.
    """

    def __init__(self, *, body: nn.Module, features: int, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.body: nn.Module = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = OpenHead(features=features)
        self.half_precision = False
        self._weights: list[Tensor] = []
        self._statistics: list[Tensor] | None = None
        self._scales: list[Tensor] | None = None

    @property
    def statistics(self) -> list[Tensor]:
        """All buffers, listed once."""
        if self._statistics is None:
            self._statistics = list(self.buffers())
        return self._statistics

    @property
    def scales(self) -> list[Tensor]:
        """The buffers that follow the inputs, not the weights: of a standardisation. Listed once."""
        if self._scales is None:
            found = [module for module in self.modules() if isinstance(module, Standardisation)]
            self._scales = [buffer for module in found for buffer in module.buffers()]
        return self._scales

    @property
    def weights(self) -> list[Tensor]:
        """All parameters, listed once (walking the modules took 40 us a step) and after the head grew."""
        if not self._weights or self._weights[-1] is not self.head.bias:
            self._weights = list(self.parameters())
        return self._weights

    def meet(self, inputs: Tensor) -> None:
        """Takes note of new inputs before they are learned: the scale of feature vectors."""
        first = self.body[0] if isinstance(self.body, nn.Sequential) else None
        if isinstance(first, Standardisation):
            first.meet(inputs)

    @torch.no_grad()
    def settle(self, other: Network) -> None:
        """Takes over the batch statistics of a network of the same kind, which belong to its weights."""
        for own, theirs in zip(self.modules(), other.modules(), strict=True):
            if isinstance(own, nn.BatchNorm2d):
                for to, source in zip(own.buffers(), theirs.buffers(), strict=True):
                    to.copy_(source)

    def features(self, inputs: Tensor) -> Tensor:
        """[n, *input_shape] to [n, f]: what the head, and a linear readout, see."""
        return self._represent(inputs).to(inputs.device)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self._represent(inputs))
        return logits.to(inputs.device)

    def _represent(self, inputs: Tensor) -> Tensor:
        inputs = inputs.to(self.head.weight.device)
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        if not self.half_precision:
            return self.body(inputs)  # type: ignore[no-any-return]
        with torch.autocast(inputs.device.type, torch.bfloat16):
            return self.body(inputs).float()  # type: ignore[no-any-return]

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.half_precision)

    def set_extra_state(self, state: Tensor) -> None:
        self.half_precision = bool(state)


class AveragedNetwork(nn.Module):
    """A fast learner and the running average of its weights, which answers (Polyak averaging). With `steps`
    taken before, it goes on at its pace at once.

    Batch normalisation: with `own_statistics` the average gathers them itself, as it teaches; else those of
    the fast learner are copied. Its own suit its weights: on a quarter of incremental CIFAR-100 (one seed,
    images held out from training, 10 raw images' bits) 0.456 instead of 0.430, and no more runs that diverge.
    """

    network: Network
    average: Network

    def __init__(self, network: Network, *, steps: int = 0, own_statistics: bool = False) -> None:
        super().__init__()
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.steps = steps
        self.own_statistics = own_statistics

    @torch.no_grad()
    def follow(self, *, pace: float) -> None:
        """The average moves to the network: by `pace`, or faster while there are few steps to average."""
        self.steps += 1
        slow, fast = self.average, self.network
        torch._foreach_lerp_(slow.weights, fast.weights, max(pace, 1.0 / (self.steps + 1)))
        buffers = (slow.scales, fast.scales) if self.own_statistics else (slow.statistics, fast.statistics)
        for to, source in zip(*buffers, strict=True):
            to.copy_(source)

    @torch.no_grad()
    def teach(self, inputs: Tensor) -> Tensor:
        """What the average answers to a training batch [n, *input_shape], logits [n, rows]; it takes note of
        the batch's statistics."""
        logits: Tensor = self.average.train()(inputs)
        return logits

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.steps)

    def set_extra_state(self, state: Tensor) -> None:
        self.steps = int(state)


@torch.no_grad()
def descend(network: Network, *, learning_rate: float, loss: float) -> None:
    """One plain gradient step and the gradients freed: SGD without momentum, with less overhead a step.

    Where the `loss` is above `USUAL_LOSS` or not a number, a gradient longer than `LONGEST_GRADIENT` is
    shortened to it and one that is not finite is dropped: a single absurd example must not end months of
    learning. (Measuring the length each time took 2 % of a step.)
    """
    moved = [p for p in network.weights if p.grad is not None]
    gradients = [p.grad for p in moved if p.grad is not None]
    shortened = 1.0 if loss <= USUAL_LOSS else _shortening(gradients)
    if shortened:
        torch._foreach_add_(moved, gradients, alpha=-learning_rate * shortened)
    for p in moved:
        p.grad = None


def _shortening(gradients: list[Tensor]) -> float:
    """What to multiply the gradient with so that it is no longer than `LONGEST_GRADIENT`; 0 drops it."""
    length = math.hypot(*torch.stack(torch._foreach_norm(gradients)).tolist())
    return min(1.0, LONGEST_GRADIENT / (length or 1.0)) if math.isfinite(length) else 0.0
