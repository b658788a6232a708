"""The picture of factors: accuracy along the stream, a panel for each factor, a line for each arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.figure import Figure
from streamlearner.bench.plots.growth import by_number, dress
from streamlearner.bench.plots.retention_plot import INK, coloured, label_ends, plots


def draw(
    found: Sequence[Figure],
    *,
    factors: Sequence[str],
    title: str,
    quick: bool,
    path: Path,
    below: str = "examples",
) -> None:
    """Mean over seeds of the metrics `x_at_n` for each factor x; `below` says what n counts."""
    picture = plots()(figsize=(5.4 * len(factors), 4.2), dpi=150, facecolor="white", layout="constrained")
    for axes, factor in zip(picture.subplots(1, len(factors)), factors, strict=True):
        draw_panel(axes, found, factor)
        dress(axes, factor, below=below)
        axes.set_ylim(0, 1.02)
    note = " (quick: means nothing)" if quick else ""
    picture.suptitle(f"{title}: test accuracy{note}", x=0.01, ha="left", color=INK, fontsize=11)
    picture.savefig(path, metadata={"Software": None})


def draw_panel(axes: Any, found: Sequence[Figure], factor: str) -> None:
    ends: list[tuple[float, str, str]] = []
    for arm, colour in coloured(each.arm for each in found):
        points = list(by_number([each for each in found if each.arm == arm], f"{factor}_at_"))
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.6)
            ends.append((points[-1][1], arm, colour))
    label_ends(axes, ends)
