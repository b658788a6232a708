"""Tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line ends inside a cell are escaped."""
    lines = [f"| {' | '.join(headings)} |", f"| {' | '.join('---' for _ in headings)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(map(cell, row))} |".replace("|  |", "| |") for row in rows)])


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """As code; nothing for nothing."""
    return f"`{text}`" if str(text) else ""
