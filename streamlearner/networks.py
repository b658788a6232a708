"""Plain networks. Each has `features(x) -> [n, f]` and a `head` whose classes are an open set.

Inputs are float32: images [n, C, H, W] in [0, 1], feature vectors [n, d]. `build` chooses by name and shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD_BLOCK = 16
"""Classes are added to a head in blocks, so that a stream of new ones does not reallocate at each."""

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


class Network(nn.Module):
    """A body that makes features [n, f] and an open head that makes logits [n, rows].

    Images are computed channels last: the same step of the LeNet took 4 ms instead of 7 (batch of 22, one
    core). `half_precision` computes the body in bfloat16 (weights stay float32); it is part of the state,
    so that a restart computes alike. The network may live on another device than its inputs: answers come
    back to theirs.
    """

    def __init__(self, *, body: nn.Module, features: int) -> None:
        super().__init__()
        self.body: nn.Module = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.head = OpenHead(features=features)
        self.half_precision = False
        self._weights: list[Tensor] = []

    @property
    def weights(self) -> list[Tensor]:
        """All parameters, listed once (walking the modules took 40 us a step) and after the head grew."""
        if not self._weights or self._weights[-1] is not self.head.bias:
            self._weights = list(self.parameters())
        return self._weights

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


def mlp(*, input_shape: Sequence[int], hidden: Sequence[int]) -> Network:
    """Fully connected, ReLU: for feature vectors and very small images."""
    widths = [math.prod(input_shape), *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return Network(body=nn.Sequential(*layers), features=widths[-1])


def lenet(*, input_shape: Sequence[int], channels: Sequence[int] = (32, 64), hidden: int = 128) -> Network:
    """Two 5x5 convolutions with pooling and one hidden layer (after LeCun et al., 1998); for images of 16
    to 40 pixels."""
    depth, height, width = input_shape
    rows, columns = (((side - 4) // 2 - 4) // 2 for side in (height, width))
    body = nn.Sequential(
        nn.Conv2d(depth, channels[0], 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(channels[0], channels[1], 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(channels[1] * rows * columns, hidden), nn.ReLU(),
    )  # fmt: skip
    return Network(body=body, features=hidden)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut (He et al., 2016)."""

    def __init__(self, *, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after),
        )  # fmt: skip
        same = stride == 1 and before == after
        self.shortcut: nn.Module = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.convolve(x) + self.shortcut(x))


def resnet18_reduced(*, input_shape: Sequence[int], width: int = 16) -> Network:
    """ResNet-18 with `width` instead of 64 first channels (Lopez-Paz & Ranzato, 2017 use 20; multiples of
    16 are faster)."""
    layers: list[nn.Module] = [
        nn.Conv2d(input_shape[0], width, 3, 1, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    before = width
    for stage in range(4):
        after = width * 2**stage
        layers.append(ResidualBlock(before=before, after=after, stride=1 if stage == 0 else 2))
        layers.append(ResidualBlock(before=after, after=after, stride=1))
        before = after
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Network(body=nn.Sequential(*layers), features=before)


def auto(*, input_shape: Sequence[int]) -> Network:
    """Vectors and images under 16 pixels: MLP 400-400. One channel: LeNet. Colour: reduced ResNet-18."""
    if len(input_shape) == 1 or min(input_shape[1:]) < 16:
        return mlp(input_shape=input_shape, hidden=(400, 400))
    return (
        lenet(input_shape=input_shape) if input_shape[0] == 1 else resnet18_reduced(input_shape=input_shape)
    )


NETWORKS: dict[str, Callable[..., Network]] = {
    "auto": auto,
    "mlp": lambda *, input_shape: mlp(input_shape=input_shape, hidden=(400, 400)),
    "lenet": lenet,
    "resnet18_reduced": resnet18_reduced,
}

LEAST_PIXELS = {"lenet": 16, "resnet18_reduced": 9}
"""Below, a convolution has nothing to see, or batch normalisation one value a channel in a batch of one."""


def build(*, name: str, input_shape: Sequence[int], generator: torch.Generator) -> Network:
    """A freshly initialised network by name, its weights drawn from `generator` only.

    Raises ValueError for a network that cannot take this input shape.
    """
    least = LEAST_PIXELS.get(name)
    if least and (len(input_shape) != 3 or min(input_shape[1:]) < least):
        raise ValueError(
            f"network {name} needs images [C, H, W] of {least} pixels or more a side, found inputs of shape "
            f"{list(input_shape)}; use mlp"
        )
    seed = int(torch.randint(2**62, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):  # torch initialises from the global generator: lend it our seed
        torch.manual_seed(seed)
        return NETWORKS[name](input_shape=tuple(input_shape))


@torch.no_grad()
def blend(slow: Network, fast: Network, *, weight: float) -> None:
    """Moves every parameter of `slow` towards `fast` by `weight` (a moving average); buffers are copied."""
    torch._foreach_lerp_(slow.weights, fast.weights, weight)
    for to, source in zip(slow.buffers(), fast.buffers(), strict=True):
        to.copy_(source)


@torch.no_grad()
def descend(network: Network, *, learning_rate: float) -> None:
    """One plain gradient step and the gradients freed: SGD without momentum, with less overhead a step.

    A gradient longer than `LONGEST_GRADIENT` is shortened to it and one that is not finite is dropped: a
    single absurd example must not end months of learning.
    """
    moved = [p for p in network.weights if p.grad is not None]
    gradients = [p.grad for p in moved if p.grad is not None]
    length = math.hypot(*torch.stack(torch._foreach_norm(gradients)).tolist())
    if math.isfinite(length):
        rate = learning_rate * min(1.0, LONGEST_GRADIENT / (length or 1.0))
        torch._foreach_add_(moved, gradients, alpha=-rate)
    for p in moved:
        p.grad = None
