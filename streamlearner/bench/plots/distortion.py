"""Mean absolute error against compression, on both data sets (paper 003, Figure 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.material.distortion_tables import (
    IMAGE_BITS,
    best_by_bits,
    continuous_by_bits,
    envelope,
)
from streamlearner.bench.plots.drawing import GREY, ArmStyle, Drawing, legend, log_ticks, style, styled

DISTORTION, COMPRESSION = "distortion_l1", "compression"
CIFAR = "_cifar100"
JPEG = "jpeg"
TICKS, CLOSER_TICKS = (1, 3, 10, 30, 100, 300, 1000), (50, 100, 200)


def draw(found: Sequence[Summary], *, title: str, quick: bool, path: Path) -> None:
    """A panel for each data set, a line for each arm, the paper's points in grey. `found`: all metrics."""
    places = {(each.arm, each.budget_bits): each.mean for each in found if each.metric == COMPRESSION}
    shown = [each for each in found if each.metric == DISTORTION]
    drawing = Drawing(
        f"{title}: mean absolute error of decoded pixels, whose range is 0 to 1",
        quick=quick,
        size=(11.0, 4.8),
        panels=2,
    )
    draw_paper(drawing.panels[0])
    arms = {arm.name: arm for arm in styled(line_of(each.arm) for each in shown)}
    for panel, name, cifar in zip(drawing.panels, ("MNIST", "CIFAR-100"), (False, True), strict=True):
        style(panel, name, x="compression: times smaller than the raw image (logarithmic)")
        of = [each for each in shown if each.arm.endswith(CIFAR) == cifar]
        for line in (line for line in arms if line in {line_of(each.arm) for each in of}):
            draw_line(panel, [each for each in of if line_of(each.arm) == line], places, arms[line])
        fit_axes(panel)
    drawing.save(path)


def line_of(arm: str) -> str:
    """Which line a point belongs to: JPEG's qualities are points of one."""
    return JPEG if arm.startswith(JPEG) else arm.removesuffix(CIFAR)


def draw_line(
    panel: Any, points: Sequence[Summary], places: Mapping[tuple[str, int], float], arm: ArmStyle
) -> None:
    ours = arm.name == "ours"
    line = sorted((places[each.arm, each.budget_bits], each.mean, each.spread or 0.0) for each in points)
    compression, mean, spread = zip(*line, strict=True)
    panel.errorbar(
        compression,
        mean,
        yerr=spread,
        label=arm.name,
        color=arm.colour,
        marker=arm.marker,
        markersize=5,
        linewidth=2.2 if ours else 1.2,
        capsize=2,
        zorder=4 if ours else 3,
    )


def draw_paper(panel: Any) -> None:
    """Table 5, with the line that ours is compared with, and Table 6."""
    points = by_compression(best_by_bits())
    panel.plot(points.keys(), points.values(), "D", color=GREY, markerfacecolor="none", markersize=5)
    line = by_compression(envelope())
    panel.plot(
        line.keys(), line.values(), "--", color=GREY, linewidth=1, label="paper, categorical (diamonds)"
    )
    continuous = by_compression(continuous_by_bits())
    panel.plot(
        continuous.keys(), continuous.values(), "x", color=GREY, markersize=5, label="paper, continuous"
    )


def by_compression(by_bits: Mapping[int, float]) -> dict[float, float]:
    return {IMAGE_BITS / bits: distortion for bits, distortion in by_bits.items()}


def fit_axes(panel: Any) -> None:
    """The axes about what was drawn, and the names below."""
    panel.set_xscale("log")
    panel.autoscale(axis="x")
    least, most = panel.get_xlim()
    log_ticks(panel, TICKS if most > 10 * least else CLOSER_TICKS)
    panel.set_xlim(least, most)
    panel.set_ylim(bottom=0)
    legend(panel, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)
