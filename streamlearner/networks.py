"""Plain networks, by name. Inputs are float32: images [n, C, H, W] in [0, 1], feature vectors [n, d]."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.network import Network, Standardisation


def mlp(*, input_shape: Sequence[int], hidden: Sequence[int]) -> Network:
    """Fully connected, ReLU: for feature vectors and very small images."""
    widths = [math.prod(input_shape), *hidden]
    vectors = len(input_shape) == 1
    layers: list[nn.Module] = [Standardisation(features=widths[0]) if vectors else nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return Network(body=nn.Sequential(*layers), features=widths[-1], learning_rate=0.2)


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
    return Network(body=body, features=hidden, learning_rate=0.05)


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
    return Network(body=nn.Sequential(*layers), features=before, learning_rate=0.05)


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
