"""Accuracy along a stream or against a disturbance: a panel for each metric, a line for each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.summary import Summary, series
from streamlearner.bench.plots.drawing import ArmStyle, Drawing, counted, line, name_ends, style, styled


def draw(
    found: Sequence[Summary], *, panels: Mapping[str, tuple[str, str]], title: str, quick: bool, path: Path
) -> None:
    """Mean over seeds of the metrics `x_at_n`; `panels` has for each x its title and what n counts."""
    drawing = Drawing(
        f"{title}: test accuracy", quick=quick, size=(5.4 * len(panels), 4.2), panels=len(panels)
    )
    for panel, (metric, (name, x)) in zip(drawing.panels, panels.items(), strict=True):
        style(panel, name, x=x, ratio=True)
        draw_panel(panel, found, metric)
    drawing.save(path)


def draw_panel(panel: Any, found: Sequence[Summary], metric: str) -> None:
    ends: list[tuple[float, float, ArmStyle]] = []
    for arm in styled(each.arm for each in found):
        points = series([each for each in found if each.arm == arm.name], f"{metric}_at_")
        if points:
            line(panel, points, arm)
            ends.append((*points[-1], arm))
    counted(panel)
    name_ends(panel, ends)
