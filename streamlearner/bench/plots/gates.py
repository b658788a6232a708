"""The picture of readouts: what each rule keeps and learns, and what a gate multiplies gradients with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamlearner.bench.kit.figure import Figure
from streamlearner.bench.plots.growth import by_number, dress
from streamlearner.bench.plots.retention_plot import COLOURS, INK, plots

LEAST, MOST, BINS = -1.0, 2.0, 60
PARTS = {"old": "the old task", "new": "the new task", "joint": "both"}


def told(multipliers: Mapping[str, Sequence[Tensor]]) -> dict[str, float]:
    """By layer: mean, share below 0, and the share in each of `BINS` bins from `LEAST` to `MOST`, what lies
    beyond counted to the outermost."""
    measured = dict[str, float]()
    for layer, parts in enumerate(multipliers.values(), start=1):
        values = torch.cat(list(parts))
        counts = torch.histc(values.clamp(LEAST, MOST), BINS, LEAST, MOST)
        measured |= {
            f"mean_of_layer_{layer}": float(values.mean()),
            f"negative_share_of_layer_{layer}": float((values < 0).float().mean()),
        }
        for place, count in enumerate(counts.tolist()):
            measured[f"share_of_layer_{layer}_at_{place}"] = count / len(values)
    return measured


def draw(found: Sequence[Figure], *, title: str, quick: bool, path: Path) -> None:
    """Left: readouts by rule (dots: seeds). Right: the distribution of multipliers, by layer."""
    picture = plots()(figsize=(12.0, 4.4), dpi=150, facecolor="white", layout="constrained")
    left, right = picture.subplots(1, 2, width_ratios=(3, 2))
    draw_readouts(left, found)
    draw_gate(right, found)
    note = " (quick: means nothing)" if quick else ""
    picture.suptitle(f"{title}{note}", x=0.01, ha="left", color=INK, fontsize=11)
    picture.savefig(path, metadata={"Software": None})


def draw_readouts(axes: Any, found: Sequence[Figure]) -> None:
    dress(axes, "readout after the new task", below="")
    arms = list(dict.fromkeys(each.arm for each in found if each.metric == "readout_joint"))
    for place, (part, named) in enumerate(PARTS.items()):
        by_arm = {each.arm: each for each in found if each.metric == f"readout_{part}"}
        at = [number + 0.2 * (place - 1) for number in range(len(arms))]
        axes.plot(
            at, [by_arm[arm].mean for arm in arms], "o", color=COLOURS[place], markersize=7, label=named
        )
        for x, arm in zip(at, arms, strict=True):
            seeds = by_arm[arm].values
            axes.plot([x] * len(seeds), seeds, "_", color=COLOURS[place], markersize=9, alpha=0.6)
    axes.set_xticks(range(len(arms)), arms)
    if arms:
        axes.legend(frameon=False, labelcolor=INK, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3)


def draw_gate(axes: Any, found: Sequence[Figure]) -> None:
    dress(axes, "what the gate multiplies gradients with: share of weights", below="multiplier")
    width = (MOST - LEAST) / BINS
    for layer in (1, 2, 3):
        bins = list(by_number(found, f"share_of_layer_{layer}_at_"))
        if bins:
            axes.plot(
                [LEAST + width * (place + 0.5) for place, _ in bins],
                [share for _, share in bins],
                color=COLOURS[layer - 1],
                label=f"layer {layer}",
            )
    if axes.lines:
        axes.legend(frameon=False, labelcolor=INK)
