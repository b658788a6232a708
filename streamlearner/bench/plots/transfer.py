"""What students reach against how much they were taught (paper 003, Tables 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.summary import Summary
from streamlearner.bench.plots.drawing import ArmStyle, Drawing, legend, log_ticks, percent, style, styled

SAMPLING = "active"
COMPRESSIONS = ("1x", "100x")
"""Real images, and the tightest budget, where arms are farthest apart."""
LEAST_EPISODES = 1_000
"""With fewer, students are near chance, and all alike."""


def draw(found: Sequence[Summary], *, title: str, quick: bool, path: Path) -> None:
    """A panel for each student, a line for each arm over the episodes (bars: standard deviation); hollow
    diamonds: the paper's figures, in the colour of their arm. `found`: all metrics of the experiment."""
    shown = list(points_of(found, least_episodes=0 if quick else LEAST_EPISODES))
    students = list(dict.fromkeys(student for student, _, _ in shown))
    drawing = Drawing(
        f"{title}: accuracy of students, codes {COMPRESSIONS[-1]} smaller than images, {SAMPLING} sampling "
        "(diamonds: the paper's)",
        quick=quick,
        size=(9.6, 4.4),
        panels=max(1, len(students)),
        same_height=True,
    )
    for panel, student in zip(drawing.panels, students, strict=False):
        style(panel, f"student: {student}", x="recollections learned (logarithmic)")
        lines = [(episodes, each) for of, episodes, each in shown if of == student]
        for arm in styled(each.arm for _, each in lines):
            draw_line(panel, [(episodes, each) for episodes, each in lines if each.arm == arm.name], arm)
        log_ticks(panel, sorted({episodes for episodes, _ in lines}))
        percent(panel)
    legend(drawing.panels[-1], loc="lower right")
    drawing.save(path)


def points_of(found: Sequence[Summary], *, least_episodes: int) -> Iterator[tuple[str, int, Summary]]:
    """Student, episodes and figure of what is shown; metrics are student_compression_sampling_episodes."""
    for each in found:
        if each.metric.count("_") == 3:
            student, compression, sampling, episodes = each.metric.split("_")
            if sampling == SAMPLING and compression in COMPRESSIONS and int(episodes) >= least_episodes:
                yield student, int(episodes), each


def draw_line(panel: Any, points: Sequence[tuple[int, Summary]], arm: ArmStyle) -> None:
    points = sorted(points, key=lambda point: point[0])
    panel.errorbar(
        [episodes for episodes, _ in points],
        [each.mean for _, each in points],
        yerr=[each.spread or 0.0 for _, each in points],
        label=arm.name,
        color=arm.colour,
        marker=arm.marker,
        linewidth=1.8,
        capsize=3,
    )
    paper = [(episodes, each.paper) for episodes, each in points if each.paper is not None]
    if paper:
        panel.plot(*zip(*paper, strict=True), "D", markersize=7, markerfacecolor="none", color=arm.colour)
