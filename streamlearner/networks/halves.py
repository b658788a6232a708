"""A network in two halves: where it is cut."""

from __future__ import annotations

from torch import nn


def halfway(body: nn.Module) -> int:
    """How many modules of a body are its lower half: half of those with weights, the odd one too, and those
    without weights that follow. 0 where it is no row of modules, or only one of them has weights."""
    if not isinstance(body, nn.Sequential):
        return 0
    weighted = [place for place, module in enumerate(body) if next(module.parameters(), None) is not None]
    return weighted[(len(weighted) + 1) // 2] if len(weighted) > 1 else 0
