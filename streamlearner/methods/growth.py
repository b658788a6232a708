"""How a step of learning follows a batch that was grown, as the stream is ahead (`Experience.growth`).

A step in proportion would go as far as so many usual ones, and one by the square root would be about as noisy
(Krizhevsky, 2014, "One weird trick", section 5.1): the step size grows by a power between them. Recollections
grow by the square root, so that a batch costs less than as many usual ones.
"""

from __future__ import annotations

import math

RATE_POWER, ITEM_POWER = 0.75, 0.5


def larger_rate(learning_rate: float, growth: float) -> float:
    """The step size for a batch of `growth` times the usual size."""
    return learning_rate * math.pow(growth, RATE_POWER)


def more_items(items: int, growth: float) -> int:
    """Of what is learned beside such a batch."""
    return round(items * math.pow(growth, ITEM_POWER))
