"""Accuracy over the stream, drawn with matplotlib: a panel for each budget, a line for each arm."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.results import Curve
from streamlearner.bench.plots.retention_plot import FAINT, INK, coloured, label_ends, plots, shared_budgets


def draw_over_stream(curves: Sequence[Curve], *, title: str, quick: bool, path: Path) -> None:
    """The mean over seeds at each point (a band: from the least to the most). Arms without a budget that
    others share (no memory, all of it) are dashed, in every panel. The longest stream alone is drawn."""
    whole = [curve for curve in curves if curve.examples is None]
    shown = whole or [curve for curve in curves if curve.examples == max(c.examples or 0 for c in curves)]
    budgets = shared_budgets((curve.arm, curve.budget_bits) for curve in shown) or [0]
    width = 4.6 * len(budgets) + 2.2
    picture = plots()(figsize=(width, 4.2), dpi=150, facecolor="white", layout="constrained")
    panels = picture.subplots(1, len(budgets), sharey=True, squeeze=False)[0]
    for axes, budget in zip(panels, budgets, strict=True):
        draw_panel(axes, shown, budget=budget, shared=budgets)
        dress(axes, title=f"{budget:,} bits" if budget else "no memory")
    part = "" if whole else ", a part of the stream"
    note = "; quick: means nothing" if quick else ""
    picture.suptitle(
        f"{title}: accuracy on the classes met so far{part}{note}", x=0.01, ha="left", color=INK, fontsize=11
    )
    picture.savefig(path, metadata={"Software": None})


def draw_panel(axes: Any, shown: Sequence[Curve], *, budget: int, shared: Sequence[int]) -> None:
    ends: list[tuple[float, str, str]] = []
    for arm, colour in coloured(curve.arm for curve in shown):
        of_arm = [curve for curve in shown if curve.arm == arm]
        alone = all(curve.budget_bits not in shared for curve in of_arm)
        seeds = [curve for curve in of_arm if alone or curve.budget_bits == budget]
        if not seeds:
            continue
        by_taken: dict[int, list[float]] = defaultdict(list)
        for curve in seeds:
            for at, value in curve.points:
                by_taken[at].append(value)
        taken = sorted(by_taken)
        means = [statistics.fmean(by_taken[at]) for at in taken]
        dashes = (0, (4, 2)) if alone else "-"
        axes.plot(taken, means, color=colour, linewidth=1.6, linestyle=dashes, zorder=3)
        low, high = [min(by_taken[at]) for at in taken], [max(by_taken[at]) for at in taken]
        axes.fill_between(taken, low, high, color=colour, alpha=0.15, linewidth=0)
        ends.append((means[-1], arm, colour))
    label_ends(axes, ends)


def dress(axes: Any, *, title: str) -> None:
    """Axes without a box, faint level lines."""
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    axes.set_xlabel("examples learned", color=INK)
    axes.set_title(title, loc="left", color=INK, fontsize=10)
