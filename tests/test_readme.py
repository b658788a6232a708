"""README.md is read in five minutes and tells the truth; tests/docs holds what goes for every page."""

from __future__ import annotations

import re

from streamlearner.bench.catalogue import EXPERIMENTS
from tests.support import doc_pages
from tests.support.doc_pages import ROOT

README = (ROOT / "README.md").read_text()
MOST_LINES = 250


def section(title: str) -> str:
    """The text under a heading of the second level."""
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_it_is_short() -> None:
    assert len(README.splitlines()) < MOST_LINES


def test_it_opens_with_three_sentences_and_two_commands() -> None:
    title, what, commands = README.split("\n\n")[:3]
    assert title == "# streamlearner"
    assert what.startswith("streamlearner is a daemon that learns") and what.count(". ") == 2
    targets = re.findall(r"make (\w+)", commands)
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_it_shows_the_dashboard_and_retention_per_bit() -> None:
    shown = re.findall(r"!\[[^\]]+\]\((docs/pictures/[\w-]+)\.png\)", README)
    assert shown == [
        "docs/pictures/dashboard",
        "docs/pictures/retention-cifar100",
        "docs/pictures/retention-mnist",
    ]


def test_it_has_the_sections_that_a_newcomer_looks_for() -> None:
    wanted = [
        "Five minutes with Kafka",
        "Five minutes from Python",
        "Results",
        "When to choose something else",
    ]
    assert [title for title in re.findall(r"^## (.*)$", README, re.MULTILINE) if title in wanted] == wanted


def results() -> list[list[str]]:
    """The cells of the table of results, line by line."""
    lines = [line for line in section("Results").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.count("|") == 6][
        2:
    ]


def test_the_results_are_ten_lines_each_with_its_experiment() -> None:
    assert len(results()) == 10
    assert [row[-1] for row in results() if row[-1].strip("`") not in EXPERIMENTS] == []


def test_every_figure_of_the_results_stands_in_the_pages_of_results() -> None:
    pages = "\n".join(path.read_text() for path in (ROOT / "docs" / "results").glob("*.md"))
    figures = re.findall(r"\d[\d,.]*\d%?", " ".join(cell for row in results() for cell in row[2:4]))
    assert len(figures) > 15
    assert [figure for figure in figures if figure not in pages] == []


def test_every_folder_of_docs_is_linked() -> None:
    linked = {link.split("/")[1] for link in doc_pages.links(ROOT / "README.md") if link.startswith("docs/")}
    folders = {path.name for path in (ROOT / "docs").iterdir() if path.is_dir()}
    assert folders - linked == set()


def test_the_changelog_begins_with_what_is_not_yet_released() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
