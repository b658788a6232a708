"""Networks by name. Inputs are float32: images [n, C, H, W] in [0, 1], feature vectors [n, d]."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.decoding.shapes import written
from streamlearner.errors import ConfigError
from streamlearner.networks.base import Network, Standardisation
from streamlearner.networks.dropout import Dropout
from streamlearner.networks.own import usual_rate, wrapped
from streamlearner.networks.seeded import seeded
from streamlearner.registry.networks import NETWORKS
from streamlearner.registry.part import Part, UnknownPart
from streamlearner.vision import torchvision as vision


def mlp(*, input_shape: Sequence[int], hidden: Sequence[int], dropout: float = 0.0) -> Network:
    """Fully connected with ReLU, for feature vectors and very small images. `dropout`: the fraction of each
    hidden layer that dropout sets to 0."""
    widths = [math.prod(input_shape), *hidden]
    vectors = len(input_shape) == 1
    layers: list[nn.Module] = [Standardisation(features=widths[0]) if vectors else nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
        if dropout:
            layers.append(Dropout(rate=dropout, seed=int(torch.randint(2**62, ()))))
    return Network(body=nn.Sequential(*layers), features=widths[-1], learning_rate=0.2)


def lenet(*, input_shape: Sequence[int], channels: Sequence[int] = (32, 64), hidden: int = 128) -> Network:
    """Two 5x5 convolutions with pooling and one hidden layer (after LeCun et al., 1998), for images of 16 to
    40 pixels."""
    depth, height, width = input_shape
    rows, columns = (((side - 4) // 2 - 4) // 2 for side in (height, width))
    body = nn.Sequential(
        nn.Conv2d(depth, channels[0], 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(channels[0], channels[1], 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(channels[1] * rows * columns, hidden), nn.ReLU(),
    )  # fmt: skip
    network = Network(body=body, features=hidden, learning_rate=0.05)
    network.image_channels = depth
    return network


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


def mlp_usual(*, input_shape: Sequence[int]) -> Network:
    return mlp(input_shape=input_shape, hidden=(400, 400))


def mlp_dropout(*, input_shape: Sequence[int]) -> Network:
    return mlp(input_shape=input_shape, hidden=(400, 400), dropout=0.5)


def mlp_small(*, input_shape: Sequence[int]) -> Network:
    """The network of paper 001 for permuted digits, too small to retain several tasks by capacity alone."""
    return mlp(input_shape=input_shape, hidden=(48, 48))


def mlp_small_dropout(*, input_shape: Sequence[int]) -> Network:
    """With the dropout of that paper."""
    return mlp(input_shape=input_shape, hidden=(48, 48), dropout=0.2)


LEAST_PIXELS = {"lenet": 16, "resnet18_reduced": 9}
"""Least side of an image: below, nothing is left after a convolution, or batch normalisation has one value a
channel in a batch of one. torchvision's models take images of any size, as these are enlarged first."""


def resolve_name(*, name: str, input_shape: Sequence[int]) -> str:
    """The network that `name` means for inputs of this shape: a part of `NETWORKS`, or an image classifier of
    torchvision. `auto`: mlp for vectors and images under 16 pixels, lenet for one channel, resnet18_reduced
    for colour.

    Raises ValueError, with the nearest name, where there is no such network.
    """
    if name == "auto":
        if len(input_shape) == 1 or min(input_shape[1:]) < LEAST_PIXELS["lenet"]:
            return "mlp"
        return "lenet" if input_shape[0] == 1 else "resnet18_reduced"
    check_name(name)
    return name


def check_name(name: str) -> None:
    """Raises ValueError, with the nearest name, unless there is such a network (or it is `auto`).

    torchvision is imported only for a name that no part has.
    """
    if name == "auto" or _part(name) or name in (theirs := vision.model_names()):
        return
    near = difflib.get_close_matches(name[:100], [*NETWORKS.names(), *theirs], n=1)
    ours = f"there are {', '.join(NETWORKS.names())} and the image classifiers of torchvision"
    raise ValueError(f"there is no network {name[:100]!r}; " + (f"did you mean {near[0]}?" if near else ours))


def _part(name: str) -> Part | None:
    """The part of this name; None where only torchvision may have it."""
    try:
        return NETWORKS.find(name)
    except UnknownPart:
        if name in NETWORKS.installed:  # twice
            raise
        return None


def build_network(
    *,
    name: str,
    input_shape: Sequence[int],
    generator: torch.Generator,
    weights: str | None = None,
    weights_folder: Path | None = None,
    settings: Any = None,
) -> Network:
    """A network by name (or `auto`), its weights drawn from `generator` only. `settings` are those of the
    part, if it has any.

    Of torchvision's models the `weights` may be pretrained: see `vision.backbone`. Raises ValueError for an
    unknown network, and for one that cannot take this input shape; ConfigError for weights that do not exist,
    and for a user's own module that cannot be used.
    """
    name = resolve_name(name=name, input_shape=input_shape)
    part = _part(name)
    _check_shape(name, input_shape, part)
    if weights and part:
        raise ConfigError(f"network {name} has no weights {weights!r}: only torchvision's models have any")
    seed = int(torch.randint(2**62, (1,), generator=generator))
    with seeded(seed):
        if part and part.is_shipped:
            shipped: Network = part.load()(input_shape=tuple(input_shape))
            return shipped
        if part:
            return wrapped(part, input_shape=tuple(input_shape), settings=settings)
        body = vision.backbone(name, weights=weights, folder=weights_folder)
    rate = usual_rate(body, pretrained=bool(weights))
    return Network(body=body, features=body.features, learning_rate=rate)


def _check_shape(name: str, input_shape: Sequence[int], part: Part | None) -> None:
    if part and not part.is_shipped:
        return  # it says so itself
    least = LEAST_PIXELS.get(name, 1)
    if not name.startswith("mlp") and (len(input_shape) != 3 or min(input_shape[1:]) < least):
        raise ValueError(
            f"network {name} needs images of {least} pixels or more a side, found inputs of shape "
            f"{written(input_shape)}; use mlp"
        )
    if part is None and input_shape[0] not in (1, 3):
        raise ValueError(
            f"network {name} needs images of 1 or 3 channels, found inputs of shape {written(input_shape)}; "
            "use resnet18_reduced"
        )
