"""Errors of two equal tasks over epochs, in four panels (paper 000, Figure 1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.summary import Summary, series
from streamlearner.bench.plots.drawing import COLOURS, Drawing, counted, legend, style

PANELS = (
    ("sequential", "A, then B alone", None),
    ("multi_task", "A, then A and B", None),
    ("interleaved", "A and B in turns", None),
    ("interleaved", "the same, epochs 50 to 300, logarithmic", (50, 300)),
)
TASKS = {"a": (COLOURS[0], "-"), "b": (COLOURS[1], (0, (5, 1)))}


def draw(found: Sequence[Summary], *, title: str, quick: bool, path: Path) -> None:
    """Mean over seeds; the error axis is logarithmic in the last panel only."""
    drawing = Drawing(
        f"{title}: mean squared error of two equal tasks", quick=quick, size=(14.0, 3.6), panels=len(PANELS)
    )
    for panel, (arm, name, epochs) in zip(drawing.panels, PANELS, strict=True):
        style(panel, name, x="epoch")
        draw_panel(panel, [each for each in found if each.arm == arm], epochs=epochs)
        counted(panel)
    legend(drawing.panels[0])
    drawing.save(path)


def draw_panel(panel: Any, found: Sequence[Summary], *, epochs: tuple[int, int] | None) -> None:
    """All epochs, or those of a range on a logarithmic axis."""
    for task, (colour, dashes) in TASKS.items():
        points = [
            (epoch, error)
            for epoch, error in series(found, f"error_of_{task}_at_")
            if epochs is None or epochs[0] <= epoch <= epochs[1]
        ]
        if points:
            panel.plot(
                *zip(*points, strict=True),
                color=colour,
                linewidth=1.4,
                linestyle=dashes,
                label=f"task {task.upper()}",
            )
    if epochs is not None:
        panel.set_yscale("log")
