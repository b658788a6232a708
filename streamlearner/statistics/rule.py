"""The rule of directions as matrices, and how finely numbers are told."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS_PER_DEVIATION = 8
LEVELS = 15
"""How finely a random feature is quantised, and how many steps there are from black to white."""
LINEAR, STEPS_PER_UNIT = 8.0, 2
"""Units of a column up to which its own number is about linear, and steps in one. A first batch all of one
class gives small units, and other classes lie many of them away. (Right before they were learned, and at the
end, one seed, class after class, with 1 unit of 8 steps, and so: 40 normal distributions in 20 dimensions
62.5 and 76.2 %, 66.2 and 84.8; 60 far apart in 8 71.5 and 90.0, 77.3 and 98.2; wine 91.8 and 95.5, 91.0 and
97.7; 20 of which each value is the exponential 79.0 and 81.4, 73.1 and 83.4.)"""
TIE = 1e-9
"""Added before rounding: halves are frequent in averages of pixels, and which way one of them falls would
depend on how many inputs are multiplied at once."""


class Rule(NamedTuple):
    """The first so many of the directions as matrices, for whoever works them out elsewhere (`graph`).

    Of what is looked at [n, values], `own` [values, a] gives the numbers of the input itself and `random`
    [values, b], with `offset` [b], random features, cut off below 0, in `steps`. `order` [a + b] are their
    places among the numbers. Looked at are the columns of a vector by `centre` and `unit`, and for `own` on a
    scale that is `linear` up to so many units; or an image averaged by `rows` [h, H] and `columns` [w, W].
    """

    own: Floats
    random: Floats
    offset: Floats
    order: Ints
    centre: Floats | None = None
    unit: Floats | None = None
    rows: Floats | None = None
    columns: Floats | None = None
    linear: float = 1.0
    steps: float = STEPS_PER_DEVIATION
    tie: float = TIE
