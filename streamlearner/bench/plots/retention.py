"""Accuracy against the memory budget in bits: a line for each arm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.summary import RETENTION, Summary
from streamlearner.bench.plots.drawing import ArmStyle, Drawing, log_ticks, name_ends, style, styled


def draw(found: Sequence[Summary], *, title: str, quick: bool, path: Path) -> None:
    """Bars: sample standard deviation; dots: seeds. Level dashed lines: arms without a memory, or with room
    for everything. Hollow diamonds in the colour of an arm: the paper's figures, where there are any."""
    shown = [each for each in found if each.metric == RETENTION]
    note = " (diamonds: the paper's)" if any(each.paper is not None for each in shown) else ""
    drawing = Drawing(f"{title}: accuracy after the stream{note}", quick=quick, size=(7.2, 4.4))
    (panel,) = drawing.panels
    budgets = shared_budgets((each.arm, each.budget_bits) for each in shown)
    style(panel, "", x="memory budget in bits (logarithmic)", ratio=True)
    log_ticks(panel, budgets)
    panel.set_xlim(budgets[0] / 1.25, budgets[-1] * 1.25)
    ends = []
    for arm in styled(each.arm for each in shown):
        points = sorted((each for each in shown if each.arm == arm.name), key=lambda each: each.budget_bits)
        ends.append(draw_arm(panel, points, arm, budgets=budgets))
    name_ends(panel, ends)
    drawing.save(path)


def shared_budgets(cells: Iterable[tuple[str, int]]) -> list[int]:
    """The budgets, ascending, of `ours` and those under which more than one arm was run; where there are no
    two such, all. What a baseline alone was given, such as room for everything, would only stretch the
    axis. `cells`: (arm, budget)."""
    arms: dict[int, set[str]] = {}
    for arm, budget in cells:
        if budget:
            arms.setdefault(budget, set()).add(arm)
    shared = [budget for budget, of in arms.items() if len(of) > 1 or "ours" in of]
    return sorted(shared if len(shared) > 1 else arms)


def draw_arm(
    panel: Any, points: Sequence[Summary], arm: ArmStyle, *, budgets: Sequence[int]
) -> tuple[float, float, ArmStyle]:
    """Where the line ends."""
    kept = [point for point in points if point.budget_bits in budgets]
    if not kept:
        panel.axhline(points[-1].mean, color=arm.colour, linewidth=1.2, linestyle=(0, (4, 3)))
        return panel.get_xlim()[1], points[-1].mean, arm
    panel.errorbar(
        [point.budget_bits for point in kept],
        [point.mean for point in kept],
        yerr=[point.spread or 0.0 for point in kept],
        color=arm.colour,
        linewidth=1.8,
        marker=arm.marker,
        markersize=5,
        capsize=3,
        elinewidth=1,
        zorder=3,
    )
    for point in kept:
        at = [point.budget_bits] * len(point.values)
        panel.plot(at, point.values, ".", color=arm.colour, alpha=0.35, zorder=2)
        if point.paper is not None:
            panel.plot(
                point.budget_bits, point.paper, "D", markersize=7, markerfacecolor="none", color=arm.colour
            )
    return kept[-1].budget_bits, kept[-1].mean, arm
