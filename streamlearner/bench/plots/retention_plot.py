"""Retention against bits, drawn with matplotlib (`pip install 'streamlearner[bench]'`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.figure import Figure
from streamlearner.errors import StreamlearnerError

INK, FAINT = "#222222", "#dddddd"
COLOURS = (
    "#0b6e99",
    "#d1702b",
    "#5b8c3e",
    "#8a4f9e",
    "#b03a48",
    "#7a6a53",
    "#2a9d8f",
    "#c2549d",
    "#444444",
    "#4c5fd7",
    "#8c8200",
    "#14532d",
    "#7f1d1d",
)
"""The first is for `ours`; as many as one picture has arms, dark enough to read as text on white; the first
nine are apart for the colour-blind."""
METRIC = "accuracy"
LABEL_GAP = 0.045
"""Least distance between two labels at the right, as a share of the height."""


def plots() -> Any:
    """matplotlib's Figure class, without its global state. Raises StreamlearnerError where it is absent."""
    try:
        from matplotlib import figure
    except ImportError as error:
        raise StreamlearnerError(
            "pictures need matplotlib, which is not installed; install it: pip install 'streamlearner[bench]'"
        ) from error
    return figure.Figure


def draw_retention(found: Sequence[Figure], *, title: str, quick: bool, path: Path) -> None:
    """A line for each arm over its budgets (bars: spread; dots: seeds), level ones for those without a
    memory, or with all they want of it.

    The paper's figures, where there are any, are hollow diamonds in the colour of their arm.
    """
    shown = [each for each in found if each.metric == METRIC]
    picture = plots()(figsize=(7.2, 4.4), dpi=150, facecolor="white", layout="constrained")
    axes = picture.add_subplot()
    budgets = shared_budgets((each.arm, each.budget_bits) for each in shown)
    ends: list[tuple[float, str, str]] = []
    for arm, colour in coloured(each.arm for each in shown):
        points = sorted((each for each in shown if each.arm == arm), key=lambda each: each.budget_bits)
        draw_arm(axes, points, budgets=budgets, colour=colour)
        ends.append((points[-1].mean, arm, colour))
    notes = ["quick: means nothing"] if quick else []
    notes += ["diamonds: the paper's"] if any(each.paper is not None for each in shown) else []
    dress(axes, budgets, title="; ".join([f"{title}: accuracy after the stream", *notes]))
    label_ends(axes, ends)
    picture.savefig(path, metadata={"Software": None})


def shared_budgets(cells: Iterable[tuple[str, int]]) -> list[int]:
    """The budgets, ascending, of `ours` and those under which more than one arm was run; where there are no
    two such, all. What a baseline alone was given, such as room for everything, would only stretch the
    axis."""
    arms: dict[int, set[str]] = {}
    for arm, budget in cells:
        if budget:
            arms.setdefault(budget, set()).add(arm)
    shared = [budget for budget, of in arms.items() if len(of) > 1 or "ours" in of]
    return sorted(shared if len(shared) > 1 else arms)


def coloured(arms: Iterable[str]) -> list[tuple[str, str]]:
    """Each arm with its colour, `ours` first."""
    ours_first = sorted(dict.fromkeys(arms), key=lambda arm: arm != "ours")
    return [(arm, COLOURS[number % len(COLOURS)]) for number, arm in enumerate(ours_first)]


def draw_arm(axes: Any, points: Sequence[Figure], *, budgets: Sequence[int], colour: str) -> None:
    kept = [point for point in points if point.budget_bits in budgets]
    if not kept:
        axes.axhline(points[0].mean, color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
        return
    bits = [point.budget_bits for point in kept]
    spreads = [point.spread or 0.0 for point in kept]
    axes.errorbar(
        bits,
        [point.mean for point in kept],
        yerr=spreads,
        color=colour,
        linewidth=1.8,
        marker="o",
        markersize=5,
        capsize=3,
        elinewidth=1,
        zorder=3,
    )
    for point in kept:
        axes.plot(
            [point.budget_bits] * len(point.values), point.values, ".", color=colour, alpha=0.35, zorder=2
        )
        if point.paper is not None:
            axes.plot(point.budget_bits, point.paper, "D", markersize=7, markerfacecolor="none", color=colour)


def dress(axes: Any, budgets: Sequence[int], *, title: str) -> None:
    """Axes without a box, faint level lines, budgets as they are at the foot."""
    axes.set_xscale("log")
    axes.set_xlim(budgets[0] / 1.25, budgets[-1] * 1.25)
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
    axes.minorticks_off()
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    axes.set_xlabel("budget of what is remembered, in bits (logarithmic)", color=INK)
    axes.set_title(title, loc="left", color=INK, fontsize=11, pad=12)


def label_ends(axes: Any, ends: Sequence[tuple[float, str, str]]) -> None:
    """Each arm named where its line ends; names that would touch are moved apart."""
    place = 1.0 + LABEL_GAP
    for height, arm, colour in sorted(ends, reverse=True):
        place = min(height, place - LABEL_GAP)
        axes.text(
            1.01, place, arm, color=colour, transform=axes.get_yaxis_transform(), va="center", fontsize=10
        )


AROUND = ((6, 4, "left"), (6, -11, "left"), (-6, 4, "right"), (-6, -11, "right"))
"""Places of a label about its point: points of the type to the right and up, and where the text begins."""


def label_points(axes: Any, points: Sequence[tuple[float, float, str, str]]) -> None:
    """Names points (x, y, text, colour), each in the first place around it that is inside the axes and keeps
    off the names so far; where there is none, in the first of all."""
    axes.figure.draw_without_rendering()  # places are known once the layout is
    taken: list[Any] = []
    for x, y, text, colour in points:
        names = [
            axes.annotate(
                text, (x, y), xytext=off, textcoords="offset points", ha=begins, fontsize=8, color=colour
            )
            for *off, begins in AROUND
        ]
        boxes = [name.get_window_extent() for name in names]
        free = [
            axes.bbox.x0 <= box.x0
            and box.x1 <= axes.bbox.x1
            and not any(box.overlaps(other) for other in taken)
            for box in boxes
        ]
        chosen = free.index(True) if any(free) else 0
        taken.append(boxes[chosen])
        for name in names[:chosen] + names[chosen + 1 :]:
            name.remove()
