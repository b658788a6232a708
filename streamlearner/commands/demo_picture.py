"""How the demo looks while it learns: a live panel in a terminal, a line elsewhere."""

from __future__ import annotations

from typing import Any

from rich.bar import Bar
from rich.console import Group
from rich.panel import Panel
from rich.table import Table


def facts(answers: dict[str, Any], *, expected: int) -> dict[str, str]:
    """What both the picture and the line show."""
    now, memory = answers["status"], answers["memory"]
    stored = memory["stored_bits"].get("recollections", 0)
    sleeps = f"{now['sleeps']['adopted']} adopted, {now['sleeps']['refused']} refused"
    return {
        "examples": f"{now['messages']} of {expected}",
        "prequential accuracy": percent(now["prequential_accuracy"]),
        "retention": percent(answers["retention"]["overall"]),
        "memory": f"{stored:,} of {memory['budget_bits']:,} bits, {memory['recollections']} recollections",
        "sleeps": sleeps + (", asleep now" if now["asleep"] else ""),
        "model version": str(now["model_version"]),
    }


def line(answers: dict[str, Any], *, expected: int) -> str:
    figures = " | ".join(f"{name} {value}" for name, value in facts(answers, expected=expected).items())
    kept = " ".join(f"{label}:{value:.0%}" for label, value in answers["retention"]["by_class"].items())
    return f"{figures} | by class {kept or '-'}"


def picture(answers: dict[str, Any], *, expected: int, address: str) -> Panel:
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, value in facts(answers, expected=expected).items():
        table.add_row(f"[dim]{name}[/]", value)
    bars = Table(show_header=False, box=None, padding=(0, 1))
    for label, value in sorted(answers["retention"]["by_class"].items()):
        bars.add_row(f"digit {label}", Bar(1.0, 0.0, value, width=30, color="green"), f"{value:.0%}")
    return Panel(Group(table, "", bars), title=f"streamlearner on {address}", width=80)


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
