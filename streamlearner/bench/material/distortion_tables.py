"""The figures of paper 003 for distortion against compression on MNIST (Figure 2, Tables 5 and 6)."""

from __future__ import annotations

import numpy as np

IMAGE_BITS = 8 * 28 * 28
"""Bits of a raw image; compression is this over the bits of a code."""

CATEGORICAL = {
    (6, 20): 0.06609, (10, 20): 0.04965, (6, 16): 0.07546, (12, 10): 0.05497, (10, 14): 0.05410,
    (24, 3): 0.05988, (38, 2): 0.05785, (6, 2): 0.13831, (40, 3): 0.04158, (20, 2): 0.08446,
    (8, 6): 0.08423, (12, 6): 0.06756, (30, 2): 0.06958, (24, 6): 0.04065, (4, 37): 0.07795,
    (8, 15): 0.06812, (48, 10): 0.01649, (209, 8): 0.01455, (12, 37): 0.03996, (313, 4): 0.01420,
    (392, 3): 0.01348, (50, 18): 0.01859, (168, 2): 0.01955, (108, 3): 0.01894, (62, 2): 0.04073,
    (208, 2): 0.01832, (68, 5): 0.01849,
}  # fmt: skip
"""Table 5: mean absolute error by variables and levels (c, l)."""

CONTINUOUS = {1: 0.135196, 2: 0.124725, 3: 0.0947032, 5: 0.0354035, 7: 0.031808, 20: 0.0149272}
"""Table 6: mean absolute error by h."""
CONTINUOUS_VALUES = 4
"""Values of 32 bits for each h: the table says compression 49 for h = 1."""


def code_bits(variables: int, levels: int) -> int:
    """c * ceil(log2 l): equation (1)."""
    return variables * (levels - 1).bit_length()


def continuous_by_bits() -> dict[int, float]:
    """Table 6: distortion by the bits of a code."""
    return {32 * CONTINUOUS_VALUES * h: distortion for h, distortion in CONTINUOUS.items()}


def best_by_bits() -> dict[int, float]:
    """The least distortion of Table 5 at each number of bits, ascending."""
    best: dict[int, float] = {}
    for (variables, levels), distortion in CATEGORICAL.items():
        bits = code_bits(variables, levels)
        best[bits] = min(distortion, best.get(bits, distortion))
    return dict(sorted(best.items()))


def envelope() -> dict[int, float]:
    """The points of `best_by_bits` below all points of fewer bits: the paper's curve at its best."""
    lowest: dict[int, float] = {}
    for bits, distortion in best_by_bits().items():
        if not lowest or distortion < min(lowest.values()):
            lowest[bits] = distortion
    return lowest


def paper_curve(bits: float) -> float:
    """The paper's distortion at `bits` a code: linear in the logarithm of the bits between the points of the
    envelope, constant beyond its ends."""
    points = envelope()
    return float(np.interp(np.log(bits), np.log(list(points)), list(points.values())))
