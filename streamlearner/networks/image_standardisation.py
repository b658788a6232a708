"""The standardisation of images by running statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamlearner.networks.standardisation import share_of

LEAST_DEVIATION = 0.3
"""Of values from 0 to 1 (MNIST: 0.31): fainter images are enlarged no more, or a step size that suited them
would be too large (a LeNet at 0.3 on faint images: 25 % right of four classes, where it had nearly all)."""


class ImageStandardisation(nn.Module):
    """Images in [0, 1] to mean 0 in each channel and variance 1 over all (of faint images less), by the
    running mean and variance of all images so far.

    A network learns dark ink on white as fast as white on black. Measured without it and with it, 4,000
    digits of MNIST class by class, accuracy of the network that learns, test: 78.1 and 85.8 %; dark on white
    47.7 and 85.9 %.
    """

    count: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(()))

    @torch.no_grad()
    def update(self, images: Tensor) -> None:
        """Adds images [n, C, H, W] to the running means and variance (pooled as in Chan et al., 1983)."""
        images = images.to(self.mean.device)
        count, own = self.count, self.mean
        weight, rest = share_of(len(images), seen=int(count))
        mean = images.mean((0, 2, 3))
        shift = mean - own
        away = (images - mean[:, None, None]).square_()
        self.variance.lerp_(away.mean() + shift.square().mean().mul_(rest), weight)
        own.add_(shift.mul_(weight))
        count.add_(len(images))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean[:, None, None]) / self.variance.sqrt().clamp_min(LEAST_DEVIATION)
