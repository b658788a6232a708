"""How the demo looks at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rich.bar import Bar
from rich.console import Group
from rich.panel import Panel
from rich.table import Table

COLUMNS = 54
BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Moment:
    """The cluster at one look, `s` on the monotonic clock."""

    s: float
    status: dict[str, Any]
    asked: int
    failed: int


def line(moment: Moment, *, expected: int) -> str:
    status = moment.status
    learners = ", ".join(
        f"{it['name']} {it['examples']}" + (" (silent)" if it["silent"] else "") for it in status["learners"]
    )
    replicas = " ".join(str(it["version"]) for it in status["replicas"])
    return (
        f"examples {status['examples']} of {expected} ({learners}) | version {status['version']} | replicas "
        f"answer with {replicas or '-'} | {moment.asked} predictions, {moment.failed} failed"
    )


def timeline(moments: Sequence[Moment], *, killed_s: float | None, asked: int, failed: int) -> Panel:
    """What each learner learned over time, the kill, and the versions that were published."""
    first_s, span_s = moments[0].s, max(moments[-1].s - moments[0].s, 1.0)
    at = [moments[0]]
    for column in range(1, COLUMNS + 1):
        at.append([it for it in moments if it.s <= first_s + span_s * column / COLUMNS][-1])
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name in [it["name"] for it in moments[-1].status["learners"]]:
        table.add_row(f"[dim]{name}[/]", f"[green]{spark([examples(it, name) for it in at])}[/]")
    if killed_s is not None:
        place = min(COLUMNS - 1, max(0, int(COLUMNS * (killed_s - first_s) / span_s)))
        table.add_row("[dim]killed[/]", " " * place + "[red]×[/]")
    table.add_row("[dim]versions[/]", f"[cyan]{spark([it.status['version'] for it in at])}[/]")
    table.add_row("[dim]predictions[/]", f"[blue]{spark([it.asked - it.failed for it in at])}[/]")
    words = f"{span_s:.0f} s from left to right; {asked} predictions asked, {failed} failed"
    return Panel(
        Group(table, "", f"[dim]{words}[/]"), title="what was learned, published, answered", width=80
    )


def examples(moment: Moment, name: str) -> int:
    return sum(it["examples"] for it in moment.status["learners"] if it["name"] == name)


def spark(counts: Sequence[int]) -> str:
    """How fast a count grows: a column for each step, the highest is the fastest."""
    steps = [max(0, later - earlier) for earlier, later in pairwise(counts)]
    most = max(*steps, 1)
    return "".join(BLOCKS[-(-step * (len(BLOCKS) - 1) // most)] for step in steps)


def by_class(ours: dict[int, float], baseline: dict[int, float]) -> Table:
    table = Table(title="Accuracy on digits that were never sent, after the whole stream")
    for heading in ("class", "the cluster's version", "", "one network, fine-tuned"):
        table.add_column(heading, justify="right" if heading else "left")
    for label, value in ours.items():
        bar = Bar(1.0, 0.0, value, width=24, color="green")
        table.add_row(str(label), f"{value:.0%}", bar, f"{baseline.get(label, 0.0):.0%}")
    return table
