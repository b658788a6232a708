"""Coefficients of an input in an orthonormal separable transform, with a prior of their variances."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def candidate_count(
    input_shape: tuple[int, ...], *, code_bits: int, cosines_per_bit: int, thumbnail_pixels: int = 0
) -> int:
    """Coefficients that may get a symbol, and have statistics: all features; all blocks, as a large image may
    vary in any; of cosines, whose variance falls with frequency, `cosines_per_bit` for each bit of a code.

    Checkpoints hold statistics of as many: another number cannot load them.
    """
    if len(input_shape) == 1:
        return input_shape[0]
    if thumbnail_pixels:
        channels, height, width = input_shape
        return channels * -(-height // thumbnail_pixels) * -(-width // thumbnail_pixels)
    return max(cosines_per_bit * code_bits, 64)


class SeparableTransform(nn.Module):
    """An orthonormal, separable transform from inputs to k coefficients, in the order of falling prior
    variance.

    Images: mean grey 0.5, and variance falling with the square of the frequency, as in natural images (Field,
    1987). Feature vectors: the identity, mean 0 and variance 1.
    """

    colour: Tensor
    down: Tensor
    across: Tensor
    order: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, *, input_shape: tuple[int, ...], candidates: int, thumbnail_pixels: int) -> None:
        """`candidates`: k, or all coefficients where there are fewer. `thumbnail_pixels`: 0 for the cosine
        transform, else the side of the blocks whose means are the coefficients. `mean` and `variance`,
        float32 [k], are the prior."""
        super().__init__()
        self.image = len(input_shape) == 3
        if self.image:
            colour, down, across, variance = _image_prior(*input_shape, thumbnail_pixels=thumbnail_pixels)
        else:
            colour = down = across = torch.eye(1)
            variance = torch.ones(input_shape)
        order = variance.flatten().argsort(descending=True, stable=True)[:candidates]
        for name, value in (("colour", colour), ("down", down), ("across", across), ("order", order)):
            self.register_buffer(name, value, persistent=False)
        mean = self.forward(torch.full((1, *input_shape), 0.5 * self.image))[0]
        self.register_buffer("variance", variance.flatten()[order], persistent=False)
        self.register_buffer("mean", mean, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Coefficients [n, k] of `inputs` [n, *input_shape]."""
        if not self.image:
            return inputs.index_select(1, self.order)
        values = self.down @ inputs @ self.across.T
        if self.colour.shape[0] == 3:
            values = self.colour @ values.flatten(2)
        return values.flatten(1).index_select(1, self.order)

    def inverse(self, values: Tensor) -> Tensor:
        """Inputs [n, *input_shape] of coefficients [n, k], all others 0; images are clamped to [0, 1]."""
        return self.synthesis(values).clamp_(0.0, 1.0) if self.image else values

    def synthesis(self, values: Tensor) -> Tensor:
        """`inverse` without the clamp: linear in `values` [n, k]."""
        if not self.image:
            return values  # all features are candidates, in their order
        high, wide, colours = self.down.shape[0], self.across.shape[0], self.colour.shape[0]
        spread = values.new_zeros(len(values), colours * high * wide)
        spread[:, self.order] = values
        if colours == 3:
            spread = self.colour.T @ spread.view(-1, 3, high * wide)
        return self.down.T @ spread.view(-1, colours, high, wide) @ self.across


def _image_prior(
    channels: int, height: int, width: int, *, thumbnail_pixels: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Orthonormal maps of colours, rows and columns, and the prior variance [channels, rows, columns]."""
    colour = _cosine(channels) if channels == 3 else torch.eye(channels)
    if thumbnail_pixels:
        down, across = _blocks(height, thumbnail_pixels), _blocks(width, thumbnail_pixels)
        variance = torch.ones(channels, len(down), len(across))
    else:
        down, across = _cosine(height), _cosine(width)
        frequency = torch.arange(height)[:, None].square() + torch.arange(width).square()
        variance = (1.0 / (1.0 + frequency)).repeat(channels, 1, 1)
    if channels == 3:
        variance[1:] /= 16.0  # colour differences vary less than brightness
    return colour, down, across, variance


def _cosine(size: int) -> Tensor:
    """The orthonormal cosine transform (DCT-II), [frequency, position]."""
    position = torch.arange(size, dtype=torch.float64) + 0.5
    rows = torch.cos(math.pi / size * torch.arange(size, dtype=torch.float64)[:, None] * position)
    rows[0] /= math.sqrt(2.0)
    return (rows * math.sqrt(2.0 / size)).float()


def _blocks(size: int, pixels: int) -> Tensor:
    """Orthonormal means of successive blocks of `pixels` (the last may be smaller), [block, position]."""
    block = torch.arange(size) // pixels
    rows = functional.one_hot(block).T.float()
    return rows / rows.sum(1, keepdim=True).sqrt()
