"""What `streamlearner status` prints: what a person wants to know first, on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

WIDTH = 96
BAR_WIDTH = 24
MOST_CLASSES = 20
"""With more classes than this the worst are shown: those are what someone looks for."""

MOST_LOSSES = 3
"""Classes named of those that a sleep would have harmed."""


def status_panel(answers: Mapping[str, Any], *, address: str) -> Panel:
    """`answers` holds the bodies of /v1/status, /v1/retention and /v1/memory by those names."""
    rows = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows.add_column(style="dim")
    for name, value in facts(answers):
        rows.add_row(name, Text(value))
    for trouble in troubles(answers["status"]):
        rows.add_row("trouble", Text(trouble, style="bold red"))
    parts: list[RenderableType] = [rows]
    if answers["retention"]["by_class"]:
        parts += [Text(), classes(answers)]
    return Panel(Group(*parts), title=f"streamlearner at {address}", width=WIDTH, padding=(1, 2))


def facts(answers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each line."""
    now, kept, memory = answers["status"], answers["retention"], answers["memory"]
    examples, sleeps, budget = now["examples"], now["sleeps"], memory["budget_bits"]
    stored = {name: memory["stored_bits"].get(name, 0) for name in ("recollections", "statistics")}
    held = memory["recollections"]
    kinds = [f"in {held:,} recollections"] * bool(held) + ["in statistics"] * bool(stored["statistics"])
    kind = " and ".join(kinds or ["in 0 recollections"])
    rejects = ", ".join(f"{count:,} {reason}" for reason, count in now["rejects"].items())
    return [
        ("model", f"version {now['model_version']} of {now['method']}{', asleep' if now['asleep'] else ''}"),
        *([("network", now["network"])] if now.get("network") else []),
        *([("answers", f"by {now['route']}")] if now.get("route") else []),
        *([("transplant", transplant(now["transplant"]))] if now.get("transplant") else []),
        ("up", duration(now["uptime_s"])),
        ("examples", ", ".join(f"{count:,} {outcome}" for outcome, count in examples.items())),
        *([("rejects", rejects)] if rejects else []),
        ("lag", lag(now["lag"])),
        ("prequential", f"{percent(now['prequential_accuracy'])} answered rightly before they were learned"),
        *no_change(now),
        ("retention", f"{percent(kept['overall'])} of {kept['exam']:,} exam examples{as_of(kept)}"),
        *([("", ages(kept["by_age"]))] if kept.get("by_age") else []),
        ("forgetting", forgetting(kept)),
        ("memory", f"{sum(stored.values()):,} of {budget:,} bits {kind}"),
        ("", f"{figure(memory['bits_per_example'])} bits for each of {memory['seen']:,} examples learned"),
        ("sleeps", f"{sleeps['adopted']} adopted, {sleeps['refused']} refused"),
        *last_sleep(now.get("last_sleep") or {}),
    ]


def last_sleep(last: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What there is to say of how it ended."""
    if last.get("failed"):
        return [("", f"the last failed: {last['failed']}")]
    return [("", refusal(last))] if last.get("losses") else []


def refusal(last: Mapping[str, Any]) -> str:
    """Which classes lost by the last sleep, or would have lost, the worst first."""
    worst = list(last["losses"].items())[:MOST_LOSSES]
    named = [f"{label} {percent(one['before'])} to {percent(one['after'])}" for label, one in worst]
    more = last["classes_losing"] - len(worst)
    would = "lost" if last["outcome"] == "adopted" else "would have lost"
    return f"the last, {last['outcome']}, {would}: {', '.join(named)}" + (f", {more} more" if more else "")


def no_change(now: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the label of the example before would have had: only what is above it was learned."""
    found = now.get("no_change_accuracy")
    return [] if found is None else [("", f"{percent(found)} would be, by the label of the example before")]


def as_of(kept: Mapping[str, Any]) -> str:
    """When it was measured."""
    return "" if kept.get("as_of") is None else f", after {kept['as_of']:,} were learned"


def ages(by_age: Mapping[str, float]) -> str:
    """Of classes by when they were last seen, in examples ago."""
    when = {age: f"within {int(age):,} examples" if age.isdigit() else "longer ago" for age in by_age}
    return "by when a class was last seen: " + ", ".join(
        f"{percent(by_age[age])} {when[age]}" for age in when
    )


def transplant(last: Mapping[str, Any]) -> str:
    """How the last one goes, or ended."""
    if last["outcome"] == "running":
        return f"to {last['to']}, {last['done']:,} of {last['steps']:,} steps"
    exam = f"exam {percent(last['before'])} before, {percent(last['after'])} after"
    return f"to {last['to']}, {last['outcome']}: {exam}"


def troubles(status: Mapping[str, Any]) -> list[str]:
    """What needs somebody."""
    found = []
    if not status["connected"]:
        found.append("the source (or a schema registry) does not answer: learning waits, predictions go on")
    if status["waiting_for_checkpoint"]:
        found.append("no checkpoint can be written: the stream waits; the log says why")
    if held := sum(status.get("held_back", {}).values()):
        found.append(f"{held:,} messages are held back by a transaction that was not ended")
    if status["gaps"]:
        found.append(f"{status['gaps']:,} messages were gone before they could be read")
    if left_out := status.get("pace", {}).get("without_steps"):
        found.append(
            f"{left_out:,} examples were learned without an optimiser step, as the stream was faster "
            "(daemon.when_behind: thin)"
        )
    return [*found, *status.get("doubts", {}).values()]


def classes(answers: Mapping[str, Any]) -> Table:
    """Retention of each class as a bar, with its recollections."""
    kept: dict[str, float] = answers["retention"]["by_class"]
    held: dict[str, int] = answers["memory"].get("recollections_by_class", {})
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("class", "retention", "", "recollections"):
        table.add_column(heading, justify="left" if heading in ("class", "") else "right")
    worst = sorted(kept, key=lambda label: kept[label])[:MOST_CLASSES]
    for label in kept if len(kept) <= MOST_CLASSES else worst:
        bar = Bar(1.0, 0.0, kept[label], width=BAR_WIDTH, color="green")
        table.add_row(Text(label), percent(kept[label]), bar, f"{held.get(label, 0):,}")
    if len(kept) > MOST_CLASSES:
        table.caption = f"the {MOST_CLASSES} worst of {len(kept)} classes; all are in --json"
    return table


def forgetting(kept: Mapping[str, Any]) -> str:
    """How retention changed since each period; takes two periods to tell."""
    if kept["forgetting"] is None:
        return percent(None)
    return f"{percent(kept['forgetting'])}, backward transfer {kept['backward_transfer']:+.1%}"


def lag(by_partition: Mapping[str, int]) -> str:
    """Messages still to come, and in how many partitions."""
    total = sum(by_partition.values())
    if len(by_partition) < 2:
        return f"{total:,} messages"
    behind = sum(1 for messages in by_partition.values() if messages)
    return f"{total:,} messages in {behind} of {len(by_partition)} partitions"


def choice(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Label and probability of a prediction, where they have several factors one after the other."""
    label, probability = answer["label"], answer["probability"]
    if not isinstance(label, Mapping):
        return str(label), f"{probability:.3f}"
    named = ", ".join(f"{factor}={value}" for factor, value in label.items())
    return named, ", ".join(f"{probability[factor]:.3f}" for factor in label)


def percent(value: float | None) -> str:
    return "not yet measured" if value is None else f"{value:.1%}"


def figure(value: float | None) -> str:
    return "no" if value is None else f"{value:,.1f}"


def duration(seconds: float) -> str:
    """The two largest units."""
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{int(count)} {unit}")
    return " ".join(parts[:2])
