"""Many streams: for each a row with ours, the best simple alternative and the best replay peer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.material.stream_comparison import (
    ALONG,
    END,
    Comparison,
    comparisons,
    figures,
)
from streamlearner.bench.plots.drawing import COLOURS, FAINT, GREY, INK, MARKERS, Drawing, legend, style

ROW_INCHES = 0.2
PANELS = {ALONG: "along the stream, answered before it is learned", END: "on the test after it"}
SERIES = ("ours", "best simple alternative", "best replay peer")


def draw(
    found: Sequence[Summary], *, chosen_on: Mapping[str, bool], title: str, quick: bool, path: Path
) -> None:
    """`chosen_on`: every stream by name, top down."""
    by_metric = {metric: figures(found, metric) for metric in PANELS}
    streams = [name for name in chosen_on if any(name in by_metric[metric] for metric in PANELS)]
    drawing = Drawing(
        f"{title}: accuracy (a star: settings were chosen on the stream)",
        quick=quick,
        size=(11.0, 1.8 + ROW_INCHES * len(streams)),
        panels=len(PANELS),
        same_height=True,
    )
    heights = {name: len(streams) - number for number, name in enumerate(streams)}
    for panel, (metric, about) in zip(drawing.panels, PANELS.items(), strict=True):
        style(panel, about, x="accuracy")
        draw_panel(panel, comparisons(by_metric[metric], streams), heights)
    names = [f"{name}{'*' if chosen_on[name] else ''}" for name in streams]
    drawing.panels[0].set_yticks(list(heights.values()), names, fontsize=8)
    below = -0.5 / (ROW_INCHES * (len(streams) + 1))
    legend(drawing.panels[0], loc="upper left", bbox_to_anchor=(0.0, below), ncols=len(SERIES))
    drawing.save(path)


def draw_panel(panel: Any, compared: Sequence[Comparison], heights: Mapping[str, int]) -> None:
    panel.set_xlim(-0.01, 1.01)
    panel.set_ylim(0, len(heights) + 1)
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.grid(axis="x", color=FAINT, linewidth=0.8)
    for each in compared:
        ends = [best[0] for best in (each.simple, each.replay) if best]
        panel.plot(
            [min([each.ours, *ends]), max([each.ours, *ends])], [heights[each.stream]] * 2, color=GREY, lw=0.6
        )
    values: tuple[list[tuple[float, int]], ...] = (
        [(each.ours, heights[each.stream]) for each in compared],
        [(each.simple[0], heights[each.stream]) for each in compared if each.simple],
        [(each.replay[0], heights[each.stream]) for each in compared if each.replay],
    )
    for number, (name, points) in enumerate(zip(SERIES, values, strict=True)):
        if points:
            panel.plot(
                *zip(*points, strict=True),
                MARKERS[number],
                color=COLOURS[number] if number else COLOURS[0],
                markeredgecolor=INK if number == 0 else COLOURS[number],
                markeredgewidth=0.5,
                markersize=6 if number == 0 else 4.5,
                linestyle="none",
                label=name,
                zorder=4 - number,
            )
