"""The parts of docs/ that are made from the code: between two comments of a page, and nowhere else by hand.

`<!-- generated: NAME -->` begins what the maker of that name writes, `<!-- generated: end -->` ends it.
`make docs` writes every page anew (`python -m tests.support.reference`); a test compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.support.reference import (
    command_line,
    configuration,
    file_map,
    http_paths,
    imports,
    problems,
    python_names,
    series,
)

ROOT = Path(__file__).resolve().parents[3]
MAKERS: dict[str, Callable[[], str]] = {
    "client": python_names.client_page,
    "command line": command_line.page,
    "cluster metrics": series.cluster_page,
    "configuration": configuration.page,
    "file map": file_map.page,
    "HTTP": http_paths.page,
    "imports": imports.page,
    "metrics": series.page,
    "problems": problems.page,
    "Python": python_names.page,
}
REGION = re.compile(r"(<!-- generated: (?!end)([^>]+) -->\n)(.*?)(<!-- generated: end -->)", re.DOTALL)


def pages() -> list[Path]:
    """README.md and all pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def renewed(text: str) -> str:
    """The page with every generated part written anew. Raises KeyError for a maker that does not exist."""
    return REGION.sub(lambda found: f"{found[1]}{MAKERS[found[2]]()}\n{found[4]}", text)


def generated(text: str) -> list[str]:
    """The names of the makers that a page uses."""
    return [name for _, name, _, _ in REGION.findall(text)]
