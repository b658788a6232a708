"""The picture of learning one class at a time: accuracy, growth, and how masks harden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.figure import Figure
from streamlearner.bench.plots.retention_plot import FAINT, INK, coloured, label_ends, plots

GROWN, MASKS = "ours", "mask_dynamics"


def draw(found: Sequence[Figure], *, title: str, quick: bool, path: Path) -> None:
    """Three panels: accuracy on the classes met so far, by arm; units of our generator by class, against
    adding the first size for each (paper 004, Fig. 6); the masks of a class over its steps (Fig. 7)."""
    picture = plots()(figsize=(14.0, 4.4), dpi=150, facecolor="white", layout="constrained")
    panels = picture.subplots(1, 3)
    draw_accuracy(panels[0], found)
    draw_growth(panels[1], [each for each in found if each.arm == GROWN])
    draw_masks(panels[2], [each for each in found if each.arm == MASKS])
    note = " (quick: means nothing)" if quick else ""
    picture.suptitle(f"{title}{note}", x=0.01, ha="left", color=INK, fontsize=11)
    picture.savefig(path, metadata={"Software": None})


def by_number(found: Sequence[Figure], start: str) -> Iterator[tuple[int, float]]:
    """Number and mean of the metrics named `start` and a number, ascending."""
    named = [each for each in found if each.metric.removeprefix(start).isdecimal()]
    yield from sorted((int(each.metric.removeprefix(start)), each.mean) for each in named)


def draw_accuracy(axes: Any, found: Sequence[Figure]) -> None:
    ends: list[tuple[float, str, str]] = []
    for arm, colour in coloured(each.arm for each in found if each.metric == "accuracy"):
        own = [each for each in found if each.arm == arm]
        last = next(each.mean for each in own if each.metric == "accuracy")
        points = [*by_number(own, "accuracy_after_"), (10, last)]
        axes.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=3, linewidth=1.6)
        ends.append((last, arm, colour))
    dress(axes, "accuracy on the classes met so far", below="classes met")
    axes.set_ylim(0, 1.02)
    label_ends(axes, ends)


def draw_growth(axes: Any, found: Sequence[Figure]) -> None:
    dress(axes, "units of the generator", below="classes learned")
    units = list(by_number(found, "units_after_"))
    if not units:
        return
    reserved, reused = list(by_number(found, "reserved_by_")), list(by_number(found, "reused_by_"))
    first = units[0][1] - reserved[0][1]
    classes = [number for number, _ in units]
    axes.plot(classes, [first * (number + 1) for number in classes], color=INK, linestyle=(0, (4, 2)))
    axes.plot(*zip(*units, strict=True), color="#0b6e99", marker="o", markersize=3)
    axes.bar([n - 0.2 for n, _ in reserved], [count for _, count in reserved], 0.4, color="#d1702b")
    axes.bar([n + 0.2 for n, _ in reused], [count for _, count in reused], 0.4, color="#5b8c3e")
    axes.legend(
        ["worst case: the first size for each", "all units", "newly reserved", "reused"],
        frameon=False, labelcolor=INK,
    )  # fmt: skip


def draw_masks(axes: Any, found: Sequence[Figure]) -> None:
    dress(axes, "masks: mean ± spread (dashed: above a half)", below="step of the second class")
    means, spreads = list(by_number(found, "mask_mean_at_")), list(by_number(found, "mask_spread_at_"))
    if not means:
        return
    steps, values = zip(*means, strict=True)
    low = [mean - spread for mean, (_, spread) in zip(values, spreads, strict=True)]
    high = [mean + spread for mean, (_, spread) in zip(values, spreads, strict=True)]
    axes.fill_between(steps, low, high, color="#0b6e99", alpha=0.15, linewidth=0)
    axes.plot(steps, values, color="#0b6e99")
    axes.plot(*zip(*by_number(found, "mask_used_at_"), strict=True), color="#d1702b", linestyle=(0, (4, 2)))


def dress(axes: Any, title: str, *, below: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=10)
    axes.set_xlabel(below, color=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
