"""What all plots share: a row of panels, colours and markers by arm, names at the ends of lines, the PNG."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from streamlearner.errors import StreamlearnerError

INK, FAINT, GREY = "#222222", "#dddddd", "#777777"
COLOURS = (
    "#0b6e99", "#d1702b", "#4c9a84", "#882255", "#7b5fd3", "#6b4423", "#222222", "#a08a4f", "#332288",
    "#c2549d", "#2f86e6", "#5c7a29", "#b8403a",
)  # fmt: skip
"""By arm, the first for `ours`: dark enough to read as text on white, any two apart; the first nine also for
the colour-blind (`tests/bench/test_plots.py` measures it)."""
MARKERS = ("o", "s", "^", "v", "P", "X", "<", ">", "p", "d", "*", "h", "8")
"""By arm, for who sees no colours: as many as one plot has arms."""
DASHED = (0, (4, 2))
DPI = 150
SHADES = 128
"""Colours of the PNG's palette: a third of the bytes, and no visible difference."""
NAME_GAP = 0.05
"""Least distance between two names at the right, as a fraction of the height."""


class ArmStyle(NamedTuple):
    """How an arm looks in all panels of a plot."""

    name: str
    colour: str
    marker: str


def styled(names: Iterable[str]) -> list[ArmStyle]:
    """Each arm once, `ours` first."""
    ours_first = sorted(dict.fromkeys(names), key=lambda name: name != "ours")
    return [
        ArmStyle(name, COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])
        for number, name in enumerate(ours_first)
    ]


class Drawing:
    """Panels side by side under one title; `size` in inches. The bytes that `save` writes depend on nothing
    but what was drawn: no date, no version, no window system."""

    def __init__(
        self,
        title: str,
        *,
        quick: bool,
        size: tuple[float, float],
        panels: int = 1,
        widths: Sequence[float] | None = None,
        same_height: bool = False,
    ) -> None:
        self.figure = matplotlib_figure()(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
        self.panels: Sequence[Any] = self.figure.subplots(
            1, panels, squeeze=False, sharey=same_height, width_ratios=widths
        )[0]
        note = " (a quick run: means nothing)" if quick else ""
        self.figure.suptitle(f"{title}{note}", x=0.01, ha="left", color=INK, fontsize=11)

    def save(self, path: Path) -> None:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", metadata={"Software": None})
        with Image.open(buffer) as image:
            image.convert("RGB").quantize(SHADES, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)


def matplotlib_figure() -> Any:
    """matplotlib's Figure class, without its global state: no window is opened, wherever this runs. Raises
    StreamlearnerError where matplotlib is absent."""
    try:
        from matplotlib import figure
    except ImportError as error:
        raise StreamlearnerError(
            "plots need matplotlib, which is not installed; install it: pip install 'streamlearner[bench]'"
        ) from error
    return figure.Figure


def style(panel: Any, title: str, *, x: str, ratio: bool = False) -> None:
    """A panel without a box, with faint level lines. `x` names the horizontal axis, `title` the vertical one;
    `ratio`: the vertical one is 0 to 1, shown in percent."""
    panel.set_title(title, loc="left", color=INK, fontsize=10, pad=8)
    panel.set_xlabel(x, color=INK)
    panel.grid(axis="y", color=FAINT, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(length=0, colors=INK)
    if ratio:
        panel.set_ylim(0, 1.005)  # a line at 1 is seen whole
        percent(panel)


def percent(panel: Any) -> None:
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def counted(panel: Any) -> None:
    """Whole numbers along the horizontal axis, few enough to be read."""
    panel.locator_params(axis="x", nbins=6, integer=True)
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def log_ticks(panel: Any, ticks: Sequence[int]) -> None:
    """A logarithmic horizontal axis with these numbers written out."""
    panel.set_xscale("log")
    panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    panel.minorticks_off()


def legend(panel: Any, **where: Any) -> None:
    """Names of what was drawn with a label, if anything was."""
    if panel.get_legend_handles_labels()[0]:
        panel.legend(frameon=False, labelcolor=INK, fontsize=9, **where)


def line(panel: Any, points: Sequence[tuple[float, float]], arm: ArmStyle, *, dashed: bool = False) -> None:
    """An arm's line; a marker on every few points, at other ones than the neighbouring arm's."""
    step = max(1, len(points) // 6)
    panel.plot(
        *zip(*points, strict=True),
        color=arm.colour,
        linewidth=1.6,
        linestyle=DASHED if dashed else "-",
        marker=arm.marker,
        markersize=4.5,
        markevery=(MARKERS.index(arm.marker) % step, step),
        zorder=3,
    )


def name_ends(panel: Any, ends: Sequence[tuple[float, float, ArmStyle]]) -> None:
    """Each arm named right of the panel, level with the end (x, y) of its line, which a hair line leads to.
    Names that would touch are moved apart. To be called last: places go by the panel's limits."""
    low, high = panel.get_ylim()
    ends = sorted(ends, key=lambda end: -end[1])
    heights = spread_out([end[1] for end in ends], gap=NAME_GAP * (high - low), low=low, high=high)
    for (x, y, arm), height in zip(ends, heights, strict=True):
        panel.annotate(
            arm.name,
            (x, y),
            xytext=(1.04, height),
            textcoords=panel.get_yaxis_transform(),
            arrowprops={
                "arrowstyle": "-",
                "color": arm.colour,
                "linewidth": 0.5,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 3,
            },
            color=arm.colour,
            va="center",
            fontsize=9,
            annotation_clip=False,
        )


def spread_out(heights: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Descending `heights` moved as little as possible (least squares) so that each two are `gap` apart,
    inside `low` to `high` as far as there is room: an isotonic regression by pooling neighbours."""
    pools: list[tuple[float, int]] = []
    for rank, height in enumerate(heights):
        total, count = height + rank * gap, 1
        while pools and pools[-1][0] / pools[-1][1] < total / count:
            total, count = total + pools[-1][0], count + pools[-1][1]
            pools.pop()
        pools.append((total, count))
    least = low + (len(heights) - 1) * gap
    fitted = [total / count for total, count in pools for _ in range(count)]
    return [min(max(place, least), high) - rank * gap for rank, place in enumerate(fitted)]


AROUND = ((6, 4, "left"), (6, -11, "left"), (-6, 4, "right"), (-6, -11, "right"))
"""Places of a name about its point: offset in points (1/72 inch), and which side of the text is there."""


def name_points(panel: Any, points: Sequence[tuple[float, float, str, str]]) -> None:
    """Names points (x, y, text, colour), each in the first place around it that is inside the panel and free;
    where there is none, in the first of all."""
    panel.figure.draw_without_rendering()  # places are known once the layout is
    taken: list[Any] = []
    for x, y, text, colour in points:
        names = [
            panel.annotate(
                text, (x, y), xytext=offset, textcoords="offset points", ha=side, fontsize=8, color=colour
            )
            for *offset, side in AROUND
        ]
        boxes = [name.get_window_extent() for name in names]
        free = [
            panel.bbox.x0 <= box.x0
            and box.x1 <= panel.bbox.x1
            and not any(box.overlaps(other) for other in taken)
            for box in boxes
        ]
        chosen = free.index(True) if any(free) else 0
        taken.append(boxes[chosen])
        for name in names[:chosen] + names[chosen + 1 :]:
            name.remove()
