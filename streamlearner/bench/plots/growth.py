"""Learning one class at a time: accuracy, the growth of the generator, its masks (paper 004, Figs. 6, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.summary import Summary, series
from streamlearner.bench.plots.drawing import (
    COLOURS,
    DASHED,
    INK,
    ArmStyle,
    Drawing,
    counted,
    legend,
    line,
    name_ends,
    style,
    styled,
)

GROWN, MASKS = "ours", "mask_dynamics"
CLASSES = 10


def draw(found: Sequence[Summary], *, title: str, quick: bool, path: Path) -> None:
    """Three panels: accuracy on the classes seen so far, by arm; units of our generator by class, against
    adding the first size for each (Fig. 6); the masks of a class over its steps (Fig. 7)."""
    drawing = Drawing(f"{title}: one class after the other", quick=quick, size=(14.0, 4.4), panels=3)
    accuracy, growth, masks = drawing.panels
    draw_accuracy(accuracy, found)
    draw_growth(growth, [each for each in found if each.arm == GROWN])
    draw_masks(masks, [each for each in found if each.arm == MASKS])
    drawing.save(path)


def draw_accuracy(panel: Any, found: Sequence[Summary]) -> None:
    style(panel, "accuracy on the classes seen so far", x="classes seen", ratio=True)
    ends: list[tuple[float, float, ArmStyle]] = []
    for arm in styled(each.arm for each in found if each.metric == "accuracy"):
        own = [each for each in found if each.arm == arm.name]
        last = next(each.mean for each in own if each.metric == "accuracy")
        line(panel, [*series(own, "accuracy_after_"), (CLASSES, last)], arm)
        ends.append((CLASSES, last, arm))
    counted(panel)
    name_ends(panel, ends)


def draw_growth(panel: Any, found: Sequence[Summary]) -> None:
    style(panel, "units of the generator", x="classes learned")
    units = series(found, "units_after_")
    if not units:
        return
    reserved, reused = series(found, "reserved_by_"), series(found, "reused_by_")
    first = units[0][1] - reserved[0][1]
    worst = [(number, first * (number + 1)) for number, _ in units]
    panel.plot(
        *zip(*worst, strict=True), color=INK, linestyle=DASHED, label="worst case: the first size for each"
    )
    panel.plot(*zip(*units, strict=True), color=COLOURS[0], marker="o", markersize=4, label="all units")
    for offset, bars, colour, label in (
        (-0.2, reserved, COLOURS[1], "newly reserved"),
        (0.2, reused, COLOURS[2], "reused"),
    ):
        places, heights = zip(*bars, strict=True)
        panel.bar([place + offset for place in places], heights, 0.4, color=colour, label=label)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    counted(panel)
    legend(panel, loc="upper left")


def draw_masks(panel: Any, found: Sequence[Summary]) -> None:
    style(panel, "masks of all units (0: closed, 1: open)", x="step of the second class")
    means, spreads = series(found, "mask_mean_at_"), series(found, "mask_spread_at_")
    if not means:
        return
    steps, values = zip(*means, strict=True)
    low = [mean - spread for mean, (_, spread) in zip(values, spreads, strict=True)]
    high = [mean + spread for mean, (_, spread) in zip(values, spreads, strict=True)]
    panel.fill_between(
        steps, low, high, color=COLOURS[0], alpha=0.15, linewidth=0, label="± standard deviation"
    )
    panel.plot(steps, values, color=COLOURS[0], label="mean")
    panel.plot(
        *zip(*series(found, "mask_used_at_"), strict=True),
        color=COLOURS[1],
        linestyle=DASHED,
        label="proportion above a half",
    )
    panel.set_ylim(0, 1.02)
    legend(panel, loc="lower left")
