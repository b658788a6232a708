"""Who imports whom, package by package, as a table in which a circle would stand below the diagonal."""

from __future__ import annotations

from collections import Counter

import grimp

Pairs = Counter[tuple[str, str]]


def page() -> str:
    """A row for each package, what it imports in the columns: how many pairs of modules, `.` for none."""
    found = pairs()
    order = from_the_top(found)
    width = max(map(len, order))
    numbers = {name: number for number, name in enumerate(order, 1)}
    header = " " * (width + 3) + "".join(f"{number:>4}" for number in numbers.values())
    lines = [
        f"{numbers[row]:>2} {row:{width}}" + "".join(f"{found[row, column] or '.':>4}" for column in order)
        for row in order
    ]
    return "\n".join(["```text", header, *lines, "```"])


def pairs() -> Pairs:
    """Imports between modules of two packages, counted by package; those for types alone included."""
    graph = grimp.build_graph("streamlearner")
    return Counter(
        (package(importer), package(imported))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if package(importer) != package(imported)
    )


def package(module: str) -> str:
    """`streamlearner.methods.base` belongs to `methods`, `streamlearner.errors` to itself; what is exported,
    `streamlearner`, stands for itself."""
    return module.split(".")[1] if "." in module else module


def from_the_top(found: Pairs) -> list[str]:
    """The packages, each before those that it imports. Raises ValueError where there is a circle."""
    left = {name for pair in found for name in pair}
    order: list[str] = []
    while left:
        tops = sorted(name for name in left if not any(found[other, name] for other in left - {name}))
        if not tops:
            raise ValueError(f"these packages import each other in a circle: {', '.join(sorted(left))}")
        order += tops
        left -= set(tops)
    return order
