"""The picture of the transfer experiment: what students reach against how much they were taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from streamlearner.bench.kit.figure import Figure
from streamlearner.bench.plots.retention_plot import FAINT, INK, coloured, plots

SAMPLING = "active"
COMPRESSIONS = ("1x", "100x")
"""The tightest budget, where arms are farthest apart, and real images for comparison."""
LEAST_EPISODES = 1_000
"""With fewer, students are near chance, and all alike."""


def draw_transfer(found: Sequence[Figure], *, title: str, quick: bool, path: Path) -> None:
    """A panel for each student, a line for each arm over the episodes (bars: spread); the paper's figures are
    hollow diamonds in the colour of their arm. `found`: all metrics of the experiment."""
    shown = list(points_of(found, least_episodes=0 if quick else LEAST_EPISODES))
    students = list(dict.fromkeys(student for student, _, _ in shown))
    picture = plots()(figsize=(9.6, 4.4), dpi=150, facecolor="white", layout="constrained")
    note = "; quick: means nothing" if quick else "; diamonds: the paper's"
    picture.suptitle(f"{title}: {COMPRESSIONS[-1]} compression, {SAMPLING} sampling{note}", color=INK)
    panels = picture.subplots(1, max(1, len(students)), squeeze=False, sharey=True)[0]
    for axes, student in zip(panels, students, strict=False):
        lines = [(episodes, each) for of, episodes, each in shown if of == student]
        for arm, colour in coloured(each.arm for _, each in lines):
            draw_line(axes, [(episodes, each) for episodes, each in lines if each.arm == arm], colour=colour)
        dress(axes, student)
    if students:
        panels[-1].legend(frameon=False, loc="lower right", labelcolor=INK)
    picture.savefig(path, metadata={"Software": None})


def points_of(found: Sequence[Figure], *, least_episodes: int) -> Iterator[tuple[str, int, Figure]]:
    """Student, episodes and figure of what is shown; metrics are student_compression_sampling_episodes."""
    for each in found:
        if each.metric.count("_") == 3:
            student, compression, sampling, episodes = each.metric.split("_")
            if sampling == SAMPLING and compression in COMPRESSIONS and int(episodes) >= least_episodes:
                yield student, int(episodes), each


def draw_line(axes: Any, points: Sequence[tuple[int, Figure]], *, colour: str) -> None:
    points = sorted(points, key=lambda point: point[0])
    axes.errorbar(
        [episodes for episodes, _ in points],
        [each.mean for _, each in points],
        yerr=[each.spread or 0.0 for _, each in points],
        label=points[0][1].arm,
        color=colour,
        marker="o",
        linewidth=1.8,
        capsize=3,
    )
    paper = [(episodes, each.paper) for episodes, each in points if each.paper is not None]
    if paper:
        axes.plot(*zip(*paper, strict=True), "D", markersize=7, markerfacecolor="none", color=colour)


def dress(axes: Any, student: str) -> None:
    axes.set_xscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    axes.set_xlabel("recollections learned (logarithmic)", color=INK)
    axes.set_title(f"student: {student}", loc="left", color=INK, fontsize=11)
