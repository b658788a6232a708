"""How many places of its maps an eye tells apart: so many a side, or by a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from streamlearner.eyes.eye import Sight

Places: TypeAlias = int | Callable[[int, int], int]
"""So many a side; or a rule, which tells it of the channels of a map and of the places that it has a side."""


def places_of(body: Callable[[Tensor], Tensor], sight: Sight, places: Places, *, device: str) -> int:
    """The number; 1 of a rule where the network gives no maps."""
    if isinstance(places, int):
        return places
    blank = torch.zeros(2, 3, 8, 8, dtype=torch.uint8, device=device)
    try:
        with torch.inference_mode():
            made = body(sight.fit(blank))
    except Exception:  # it is someone's network, and may raise anything; the eye, which tries it, says what
        return 1
    if not isinstance(made, Tensor) or made.ndim != 4:
        return 1
    return places(made.shape[1], min(made.shape[2:]))
