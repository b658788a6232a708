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
FEATURE_BITS, MOST_FEATURE_BITS, LEAST_FEATURE_BITS = 2, 256, 16
RECORDS_A_BIT = 1.5
"""Of vectors: a code is best where so many records, times the root of the number of classes, are held for
each of its bits. Held-out accuracy in %, linear discriminant analysis on decoded codes alone, one seed,
with codes of 32 / 64 / 128 / 256 bits, and in brackets what the rule says. 512 features of EfficientNet-
lite0 at 96 pixels, 100 classes of CIFAR-100: in 15,360 bits 20.5 / 19.5 / 16.0 / 10.6 (32), in 61,440 32.1
/ 34.7 / 28.5 / 21.9 (64), in 245,760 37.1 / 41.4 / 43.5 / 43.5 (128); ten of them: in 7,680 78.2 / 71.6 /
63.3 / 57.1 (40), in 122,880 83.3 / 85.7 / 85.7 / 83.6 (161). 64 values of digits in 8,192: 89.8 / 86.4 /
82.9 (42). Class means and a small network agree to the next length. How fine the steps are hardly matters:
at most one, two or six bits for a direction are within a point of each other, as many directions vary
alike."""

MOST_PLACED_VALUES, VALUES_A_BIT = 1_024, 26
"""Of maps whose places are told apart: features in all, and for each bit of a code. CIFAR-10, 2,000 images,
112 channels of EfficientNet-lite0's block 10 at 96 pixels, linear discriminant analysis on decoded codes
alone, mean of four seeds in %, with 1, 2 x 2 and 3 x 3 places: in 7,680 bits 49.6, 50.1 and 52.2, in 30,720
57.9, 58.6 and 61.9, in 122,880 67.1, 66.4 and 68.5, in 245,760 69.4, 69.2 and 70.4. With 4 x 4, one seed,
about as with 1."""
PLACED_BITS = 2_048
"""Bits of the budget for each of their features where statistics answer, which keep 64 for its scale alone.
Statistics of the same images, three seeds: in 30,720 bits 48.0, 16.2 and 9.3, in 122,880 60.9, 54.0 and 49.5,
in 491,520 67.2, 64.9 and 63.5, in 4,915,200 (one seed) 67.5, 67.1 and 68.2."""
USUAL_CLASSES = 10


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


def feature_bits_for(*, values: int, room_bits: int, classes: int) -> int:
    """Bits of a code of vectors of so many `values`, of so many classes, in a memory of `room_bits`: longer
    ones tell more of each example, and leave room for fewer."""
    longest = FEATURE_BITS * values
    balanced = math.sqrt(max(0, room_bits) / (RECORDS_A_BIT * math.sqrt(max(1, classes))))
    return min(longest, max(LEAST_FEATURE_BITS, round(balanced)))


def places_for(channels: int, most: int, *, budget_bits: int, statistics: bool) -> int:
    """How many places a side of maps of so many `channels`, and at most so many places, are worth telling
    apart in a memory of this budget; with `statistics`, where those answer beside codes, or alone."""
    code_bits = feature_bits_for(values=MOST_PLACED_VALUES, room_bits=budget_bits, classes=USUAL_CLASSES)
    values = budget_bits // PLACED_BITS if statistics else min(MOST_PLACED_VALUES, VALUES_A_BIT * code_bits)
    return max(1, min(most, math.isqrt(min(MOST_PLACED_VALUES, values) // channels)))


def is_image(input_shape: Sequence[int]) -> bool:
    return len(input_shape) == 3
