"""Which association codes an input, and in how many bits, where the settings leave it open.

By the shape of the inputs and the budget of the memory alone, so that a daemon can be configured by
`memory.budget_bits` and nothing else. `streamlearner plan` tells what comes of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

THUMBNAIL_PIXELS = 16
"""Thumbnails are for grey images from this side on: of smaller ones too little is left."""
FEW_GREY_BITS, MANY_GREY_BITS, GREY_BUDGET = 100, 140, 200_000
"""MNIST, held-out training images: more detail pays once there are codes enough, from this budget on."""
COLOUR_BITS = ((245_760, 160), (1_228_800, 200), (4_915_200, 400))
"""(budget, bits of a code): incremental CIFAR-100 at the bits of 10, 50 and 200 raw images, where many short
codes beat few long ones. A quarter of the stream, one seed, images held out from training, first budget:
cosine transform 0.473, 0.476 and 0.477 with 120, 150 and 240 bits; trellis 0.478 with 120; at the second
0.504 with 160 (before it, with another step size, 0.481 with 240 of the transform)."""
FEATURE_BITS, MOST_FEATURE_BITS = 2, 256


def association_for(name: str, *, input_shape: Sequence[int]) -> str:
    """What `auto` means: thumbnail for one-channel images of 16 pixels or more a side, trellis for colour
    images, else transform."""
    if name != "auto":
        return name
    if is_image(input_shape) and input_shape[0] > 1:
        return "trellis"
    return "thumbnail" if is_image(input_shape) and min(input_shape[1:]) >= THUMBNAIL_PIXELS else "transform"


def code_bits_for(association: str, *, input_shape: Sequence[int], budget_bits: int) -> int:
    """Bits of a code of `association` (no `auto`, and none whose code has its own settings).

    thumbnail and karhunen_loeve: 100, in larger budgets 140. Colour images: 160 to 400, in straight lines
    between `COLOUR_BITS`. Feature vectors and small grey images: 2 bits a value, at most 256.
    """
    if association in ("thumbnail", "karhunen_loeve"):
        return FEW_GREY_BITS if budget_bits < GREY_BUDGET else MANY_GREY_BITS
    if is_image(input_shape) and input_shape[0] > 1:
        budgets, bits = zip(*COLOUR_BITS, strict=True)
        return round(float(np.interp(budget_bits, budgets, bits)))
    return min(MOST_FEATURE_BITS, FEATURE_BITS * math.prod(input_shape))


def is_image(input_shape: Sequence[int]) -> bool:
    return len(input_shape) == 3
