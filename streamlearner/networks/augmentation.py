"""Augmentation: small random geometric changes of images. Feature vectors are returned unchanged."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

BEYOND_TURNED, BEYOND_SHIFTED = "border", "replicate"
"""What comes in, as `grid_sample` and as `pad` call it: the edge goes on."""


class Augmentation:
    """Random translation, rotation, scaling and horizontal flip, drawn for each image separately.

    `shift_pixels`, `rotation_degrees` and `scaling` (a fraction of the size) are the largest changes in
    either direction, drawn uniformly. Where rotation or scaling is above 0, images are resampled bilinearly;
    else they are shifted by whole pixels. With `flip` half of the images are mirrored. What comes in
    is as the edge is: zeros would be new where the ground is not black.
    """

    def __init__(
        self,
        *,
        shift_pixels: int,
        rotation_degrees: float,
        scaling: float,
        flip: bool,
        flip_is_open: bool = False,
    ) -> None:
        """`flip_is_open`: nobody asked for mirror images, so they may be dropped where they do harm."""
        self.shift_pixels = shift_pixels
        self.rotation_degrees = rotation_degrees
        self.scaling = scaling
        self.flip = flip
        self.flip_is_open = flip_is_open

    def without_mirrors(self) -> Augmentation:
        """The same, but that nothing is mirrored."""
        return Augmentation(
            shift_pixels=self.shift_pixels,
            rotation_degrees=self.rotation_degrees,
            scaling=self.scaling,
            flip=False,
        )

    def __call__(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Images [n, C, H, W], changed by draws from `generator`, of the same shape; features [n, d] as they
        are. An empty batch draws nothing."""
        if inputs.ndim != 4 or not len(inputs):
            return inputs
        if self.rotation_degrees or self.scaling:
            return self._resampled(inputs, generator)
        return self._shifted(inputs, generator) if self.shift_pixels or self.flip else inputs

    def _resampled(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        n, _, height, width = inputs.shape
        draws = torch.rand(5, n, generator=generator) * 2 - 1
        angle = draws[0] * math.radians(self.rotation_degrees)
        scale = 1 + self.scaling * draws[1]
        mirror = torch.where(draws[4] < 0, -1.0, 1.0) if self.flip else torch.ones(n)
        across, down = draws[2] * (2 * self.shift_pixels / width), draws[3] * (2 * self.shift_pixels / height)
        cosine, sine = angle.cos() * scale, angle.sin() * scale
        first, second = (
            torch.stack([cosine * mirror, -sine, across], 1),
            torch.stack([sine * mirror, cosine, down], 1),
        )
        grid = F.affine_grid(torch.stack([first, second], 1), list(inputs.shape), align_corners=False)
        return F.grid_sample(inputs, grid.to(inputs.device), padding_mode=BEYOND_TURNED, align_corners=False)

    def _shifted(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        n, depth, height, width = inputs.shape
        shift = self.shift_pixels
        draws = torch.randint(2 * shift + 1, (2, n, 1), generator=generator)
        rows, columns = torch.arange(height) + draws[0], torch.arange(width) + draws[1]
        if self.flip:
            mirrored = torch.rand(n, 1, generator=generator) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        padded = F.pad(inputs, (shift,) * 4, mode=BEYOND_SHIFTED)
        places = (rows[:, :, None] * (width + 2 * shift) + columns[:, None, :]).reshape(n, 1, height * width)
        flat = padded.reshape(n, depth, (height + 2 * shift) * (width + 2 * shift))
        return flat.gather(2, places.to(inputs.device).expand(-1, depth, -1)).reshape(inputs.shape)
