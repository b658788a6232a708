"""Accuracy over the stream: a panel for each budget, a line for each arm."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.results import Curve
from streamlearner.bench.plots.drawing import ArmStyle, Drawing, counted, line, name_ends, style, styled
from streamlearner.bench.plots.retention import shared_budgets


def draw(curves: Sequence[Curve], *, title: str, quick: bool, path: Path) -> None:
    """The mean over seeds at each point (band: least to most). Arms without a budget that others share (no
    memory, or room for everything) are dashed, in every panel. Where the whole stream was not learned, the
    curves of its longest part are drawn."""
    whole = [curve for curve in curves if curve.examples is None]
    shown = whole or [curve for curve in curves if curve.examples == max(c.examples or 0 for c in curves)]
    budgets = shared_budgets((curve.arm, curve.budget_bits) for curve in shown) or [0]
    part = "" if whole else ", a part of the stream"
    drawing = Drawing(
        f"{title}: accuracy on the classes seen so far{part}",
        quick=quick,
        size=(4.6 * len(budgets) + 2.2, 4.2),
        panels=len(budgets),
        same_height=True,
    )
    for panel, budget in zip(drawing.panels, budgets, strict=True):
        draw_panel(panel, shown, budget=budget, shared=budgets)
    drawing.save(path)


def draw_panel(panel: Any, shown: Sequence[Curve], *, budget: int, shared: Sequence[int]) -> None:
    style(panel, f"memory of {budget:,} bits" if budget else "no memory", x="examples learned", ratio=True)
    ends: list[tuple[float, float, ArmStyle]] = []
    for arm in styled(curve.arm for curve in shown):
        own = [curve for curve in shown if curve.arm == arm.name]
        alone = all(curve.budget_bits not in shared for curve in own)
        values: dict[int, list[float]] = defaultdict(list)
        for curve in own:
            if alone or curve.budget_bits == budget:
                for taken, value in curve.points:
                    values[taken].append(value)
        if not values:
            continue
        points = [(taken, statistics.fmean(values[taken])) for taken in sorted(values)]
        line(panel, points, arm, dashed=alone)
        low, high = ([limit(values[taken]) for taken, _ in points] for limit in (min, max))
        panel.fill_between(
            [taken for taken, _ in points], low, high, color=arm.colour, alpha=0.15, linewidth=0
        )
        ends.append((*points[-1], arm))
    counted(panel)
    name_ends(panel, ends)
