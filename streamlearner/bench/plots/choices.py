"""Accuracy against speed: a point for each choice of settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.plots.drawing import COLOURS, FAINT, INK, Drawing, name_points, percent, style


def draw(found: Sequence[Summary], *, accuracy: str, speed: str, title: str, quick: bool, path: Path) -> None:
    """`accuracy` and `speed` name the metrics; the speed is a ratio to finetune's."""
    accuracies = {each.arm: each.mean for each in found if each.metric == accuracy}
    speeds = {each.arm: each.mean for each in found if each.metric == speed}
    drawing = Drawing(f"{title}: accuracy against speed of learning", quick=quick, size=(7.2, 4.4))
    (panel,) = drawing.panels
    style(panel, "", x="examples/s, as a multiple of finetune's")
    names = []
    for arm in (arm for arm in accuracies if arm in speeds):
        colour = COLOURS[0] if arm == "ours" else INK
        panel.plot(speeds[arm], accuracies[arm], "o", color=colour, markersize=6)
        names.append((speeds[arm], accuracies[arm], arm, colour))
    percent(panel)
    panel.grid(axis="x", color=FAINT, linewidth=0.8)
    panel.spines["bottom"].set_visible(False)
    name_points(panel, names)
    drawing.save(path)
