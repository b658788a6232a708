"""How a gate's multipliers of gradients are distributed, as metrics (paper 002, Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

LEAST, MOST, BINS = -1.0, 2.0, 60


def histogram_metrics(multipliers: Mapping[str, Sequence[Tensor]]) -> dict[str, float]:
    """Of each layer in turn: mean, proportion below 0, and the proportion in each of `BINS` bins from `LEAST`
    to `MOST`; what lies beyond counts in the outermost."""
    measured = dict[str, float]()
    for layer, parts in enumerate(multipliers.values(), start=1):
        values = torch.cat(list(parts))
        counts = torch.histc(values.clamp(LEAST, MOST), BINS, LEAST, MOST)
        measured |= {
            f"mean_of_layer_{layer}": float(values.mean()),
            f"negative_share_of_layer_{layer}": float((values < 0).float().mean()),
        }
        for number, count in enumerate(counts.tolist()):
            measured[f"share_of_layer_{layer}_at_{number}"] = count / len(values)
    return measured


def bin_centre(number: int) -> float:
    return LEAST + (MOST - LEAST) / BINS * (number + 0.5)
