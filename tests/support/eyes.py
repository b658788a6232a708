"""Small eyes for tests, as a user would write them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FEATURES = 12


def tiny(*, input_size: int | None = None) -> nn.Module:
    """One convolution with fixed weights, to maps of FEATURES channels."""
    network = nn.Sequential(nn.Conv2d(3, FEATURES, 3, stride=2), nn.ReLU())
    draw = torch.Generator().manual_seed(7)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=draw) / 3
    network.input_size = input_size or 16
    return network


def other() -> nn.Module:
    """The same with other weights."""
    network = tiny()
    for parameter in network.parameters():
        parameter.data *= 1.5
    return network


class Fickle(nn.Module):
    """Gives an image other features in a small batch, as oneDNN's kernels do, but by so much that all see
    it."""

    input_size, mean, deviation = 16, 0.0, 1.0

    def __init__(self) -> None:
        super().__init__()
        self.network = tiny()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.network(images) + float(len(images) < 16)
        return found


class Tokens(nn.Module):
    """Tokens [n, 4, 6], as a vision transformer gives them; its own sight."""

    input_size, mean, deviation = 8, 0.5, (0.5, 0.25, 1.0)

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))[:, None].repeat(1, 4, 2)


def endless() -> nn.Module:
    """Its features are not finite."""

    class Endless(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :3] / 0

    return Endless()


def no_module() -> str:
    return "no module"


def broken() -> nn.Module:
    raise RuntimeError("no weights here")


class Sociable(nn.Module):
    """Gives an image features that depend on how many others are seen with it, however many."""

    input_size, mean, deviation = 16, 0.0, 1.0

    def __init__(self) -> None:
        super().__init__()
        self.network = tiny()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.network(images) * (1 + len(images) * 1e-3)
        return found


class Counted(Fickle):
    """Counts its passes."""

    passes = 0

    def forward(self, images: Tensor) -> Tensor:
        Counted.passes += 1
        return super().forward(images)


class Squeamish(nn.Module):
    """Ends at an image that is white all over."""

    input_size = 16

    def __init__(self) -> None:
        super().__init__()
        self.network = tiny()

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 2 and bool((images.flatten(1).amin(1) > 2).any()):
            raise RuntimeError("too bright")
        found: Tensor = self.network(images)
        return found
