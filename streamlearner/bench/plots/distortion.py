"""The picture of the distortion experiment: mean absolute error against compression, both data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.figure import Figure
from streamlearner.bench.material.distortion_tables import (
    IMAGE_BITS,
    best_by_bits,
    continuous_by_bits,
    envelope,
)
from streamlearner.bench.plots.retention_plot import FAINT, INK, coloured, plots

DISTORTION, COMPRESSION = "distortion_l1", "compression"
CIFAR = "_cifar100"
JPEG = "jpeg"
TICKS, CLOSER_TICKS = (1, 3, 10, 30, 100, 300, 1000), (50, 100, 200)


def draw_distortion(found: Sequence[Figure], *, title: str, quick: bool, path: Path) -> None:
    """A panel for each data set, a line for each arm, the paper's points in grey. `found`: all metrics."""
    places = {(each.arm, each.budget_bits): each.mean for each in found if each.metric == COMPRESSION}
    shown = [each for each in found if each.metric == DISTORTION]
    picture = plots()(figsize=(11.0, 4.8), dpi=150, facecolor="white", layout="constrained")
    note = "; quick: means nothing" if quick else ""
    picture.suptitle(f"{title}: mean absolute error of what is decoded{note}", color=INK)
    mnist, cifar = picture.subplots(1, 2)
    draw_paper(mnist)
    for axes, name in ((mnist, "MNIST"), (cifar, "CIFAR-100")):
        of = [each for each in shown if each.arm.endswith(CIFAR) == (axes is cifar)]
        for arm, colour in coloured(line_of(each.arm) for each in of):
            points = [each for each in of if line_of(each.arm) == arm]
            draw_line(axes, points, places, label=arm, colour=colour)
        dress(axes, name)
    picture.savefig(path, metadata={"Software": None})


def line_of(arm: str) -> str:
    """Which line a point belongs to: JPEG's qualities are points of one."""
    return JPEG if arm.startswith(JPEG) else arm.removesuffix(CIFAR)


def draw_line(
    axes: Any,
    points: Sequence[Figure],
    places: Mapping[tuple[str, int], float],
    *,
    label: str,
    colour: str,
) -> None:
    line = sorted((places[each.arm, each.budget_bits], each.mean, each.spread or 0.0) for each in points)
    compression, mean, spread = zip(*line, strict=True)
    axes.errorbar(
        compression,
        mean,
        yerr=spread,
        label=label,
        color=colour,
        marker="o",
        markersize=4,
        linewidth=2.2 if label == "ours" else 1.2,
        capsize=2,
        zorder=4 if label == "ours" else 3,
    )


def draw_paper(axes: Any) -> None:
    """Table 5, with the line that ours is held against, and Table 6."""
    grey = "#888888"
    points = {IMAGE_BITS / bits: figure for bits, figure in best_by_bits().items()}
    axes.plot(points.keys(), points.values(), "D", color=grey, markerfacecolor="none", markersize=5)
    line = {IMAGE_BITS / bits: figure for bits, figure in envelope().items()}
    axes.plot(
        line.keys(), line.values(), "--", color=grey, linewidth=1, label="paper, categorical (diamonds)"
    )
    continuous = {IMAGE_BITS / bits: figure for bits, figure in continuous_by_bits().items()}
    axes.plot(
        continuous.keys(), continuous.values(), "s", color=grey, markersize=4, label="paper, continuous"
    )


def dress(axes: Any, name: str) -> None:
    axes.set_xscale("log")
    axes.autoscale(axis="x")
    least, most = axes.get_xlim()
    ticks = TICKS if most > 10 * least else CLOSER_TICKS
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlim(least, most)
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    axes.set_xlabel("compression: times smaller than the raw image (logarithmic)", color=INK)
    axes.set_title(name, loc="left", color=INK, fontsize=11)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            frameon=False,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.13),
            ncols=3,
            labelcolor=INK,
            fontsize=8,
        )
