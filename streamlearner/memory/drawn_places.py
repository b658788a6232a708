"""A uniform sample of places, at a cost that does not grow with their number."""

from __future__ import annotations

import torch


def drawn_places(n: int, *, held: int, generator: torch.Generator) -> list[int]:
    """`n` of the places below `held`: all different where n <= held, else with replacement; none of none."""
    if n <= 0 or held == 0:
        return []
    if n <= held < n * n:
        return list(torch.randperm(held, generator=generator)[:n].tolist())
    while True:  # at most 4 draws in 10 are repeated
        places = torch.randint(held, (n,), generator=generator).tolist()
        if n > held or len(set(places)) == n:
            return list(places)
