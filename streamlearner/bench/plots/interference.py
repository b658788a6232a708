"""The picture of interference: errors of two equal tasks over epochs, in four panels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.figure import Figure
from streamlearner.bench.plots.growth import by_number, dress
from streamlearner.bench.plots.retention_plot import INK, plots

PANELS = (
    ("sequential", "A, then B alone", None),
    ("multi_task", "A, then A and B", None),
    ("interleaved", "A and B in turns", None),
    ("interleaved", "the turns, nearer", (50, 300)),
)
COLOURS = {"a": "#0b6e99", "b": "#d1702b"}


def draw(found: Sequence[Figure], *, title: str, quick: bool, path: Path) -> None:
    """Mean over seeds; the error axis is logarithmic in the last panel only."""
    picture = plots()(figsize=(14.0, 3.6), dpi=150, facecolor="white", layout="constrained")
    for axes, (arm, named, near) in zip(picture.subplots(1, 4), PANELS, strict=True):
        draw_panel(axes, [each for each in found if each.arm == arm], near=near)
        dress(axes, named, below="epoch")
    picture.axes[0].legend(frameon=False, labelcolor=INK)
    note = " (quick: means nothing)" if quick else ""
    picture.suptitle(
        f"{title}: mean squared error of two equal tasks{note}", x=0.01, ha="left", color=INK, fontsize=11
    )
    picture.savefig(path, metadata={"Software": None})


def draw_panel(axes: Any, found: Sequence[Figure], *, near: tuple[int, int] | None) -> None:
    for task, colour in COLOURS.items():
        points = [
            (epoch, error)
            for epoch, error in by_number(found, f"error_of_{task}_at_")
            if near is None or near[0] <= epoch <= near[1]
        ]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.4, label=f"task {task.upper()}")
    if near is not None:
        axes.set_yscale("log")
