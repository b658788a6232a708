"""Readouts of each learning rule, and what a gate multiplies gradients with (paper 002, Figures 4 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.summary import Summary, series
from streamlearner.bench.material.gate_histogram import bin_centre
from streamlearner.bench.plots.drawing import COLOURS, MARKERS, Drawing, legend, percent, style

TASKS = {"old": "the old task", "new": "the new task", "joint": "both"}
LAYERS = {1: "-", 2: (0, (5, 1)), 3: (0, (1, 1))}


def draw(found: Sequence[Summary], *, title: str, quick: bool, path: Path) -> None:
    """Left: readouts by rule (dashes: seeds). Right: the distribution of multipliers, by layer."""
    drawing = Drawing(
        f"{title}: accuracy of linear probes", quick=quick, size=(12.0, 4.4), panels=2, widths=(3, 2)
    )
    draw_readouts(drawing.panels[0], found)
    draw_multipliers(drawing.panels[1], found)
    drawing.save(path)


def draw_readouts(panel: Any, found: Sequence[Summary]) -> None:
    style(panel, "readout after the new task", x="learning rule")
    rules = list(dict.fromkeys(each.arm for each in found if each.metric == "readout_joint"))
    for place, (task, name) in enumerate(TASKS.items()):
        by_rule = {each.arm: each for each in found if each.metric == f"readout_{task}"}
        at = [number + 0.2 * (place - 1) for number in range(len(rules))]
        means = [by_rule[rule].mean for rule in rules]
        panel.plot(at, means, MARKERS[place], color=COLOURS[place], markersize=7, label=name)
        for x, rule in zip(at, rules, strict=True):
            seeds = by_rule[rule].values
            panel.plot([x] * len(seeds), seeds, "_", color=COLOURS[place], markersize=9, alpha=0.6)
    panel.set_xticks(range(len(rules)), rules)
    percent(panel)
    legend(panel, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3)


def draw_multipliers(panel: Any, found: Sequence[Summary]) -> None:
    style(panel, "what the gate multiplies gradients with", x="multiplier (per bin: proportion of weights)")
    for layer, dashes in LAYERS.items():
        bins = series(found, f"share_of_layer_{layer}_at_")
        if bins:
            points = [(bin_centre(number), proportion) for number, proportion in bins]
            panel.plot(
                *zip(*points, strict=True), color=COLOURS[layer - 1], linestyle=dashes, label=f"layer {layer}"
            )
    percent(panel)
    legend(panel)
