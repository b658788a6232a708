"""The pages hold together: links and anchors resolve, tables name what exists, no machine is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamlearner.commands import main as command_line
from streamlearner.config.loading import Config
from streamlearner.config.problems import setting
from streamlearner.decoding import codec, headers
from tests.support import doc_pages
from tests.support.doc_pages import ROOT

PAGES = doc_pages.pages()
OUTSIDE = {
    "https://riverml.xyz",
    "https://capymoa.org",
    "https://avalanche.continualai.org",
    "https://github.com/aimagelab/mammoth",
}
"""Addresses that no test reaches: the projects that README.md sends readers to."""


def section(page: str, title: str) -> str:
    """The text under a heading of the second level."""
    text = (ROOT / "docs" / page).read_text()
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    broken = []
    for link in doc_pages.links(page):
        if link in OUTSIDE:
            continue
        target, _, anchor = link.partition("#")
        found = (page.parent / target).resolve() if target else page
        if not found.exists() or (anchor and anchor not in doc_pages.anchors(found)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_first() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        targets = [link.partition("#")[0] for link in doc_pages.links(page) if "://" not in link]
        waiting += [(page.parent / target).resolve() for target in targets if target]
    assert [page for page in PAGES if page not in reached] == []


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in doc_pages.links(index)}
    results = {page for page in PAGES if page.parent.name == "results" and page.name != "README.md"}
    assert [page for page in PAGES if page not in {index, *linked, *results}] == []


def test_every_picture_is_shown_and_small() -> None:
    pictures = set((ROOT / "docs" / "pictures").glob("*"))
    shown = {(page.parent / link).resolve() for page in PAGES for link in doc_pages.links(page)}
    assert pictures - shown == set()
    assert [picture.name for picture in pictures if picture.stat().st_size > 200_000] == []


def test_every_block_says_what_it_is() -> None:
    kinds = {str(block): block.kind for page in PAGES for block in doc_pages.blocks(page)}
    assert {block: kind for block, kind in kinds.items() if kind not in KINDS} == {}


KINDS = ("sh", "python", "pycon", "yaml", "text")


def test_what_is_not_run_says_why() -> None:
    marks = {block.mark for page in PAGES for block in doc_pages.blocks(page) if not block.is_run}
    assert [mark for mark in marks if len(mark.removeprefix(doc_pages.NOT_RUN).split()) < 3] == []


def test_no_machine_is_named() -> None:
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "config.yaml"]:
        assert re.findall(r"/(?:work|home|root|tmp)/", page.read_text()) == [], page


def test_every_setting_named_exists() -> None:
    sections = "|".join(Config.model_fields)
    named = {
        key
        for page in PAGES
        for key in re.findall(rf"`((?:{sections})\.[a-z_.]+?)(?:\.\*)?(?:: [^`]*|=[^`]*)?`", page.read_text())
    }
    assert len(named) > 40
    assert [key for key in named if setting(Config, tuple(key.split("."))) is None] == []


def test_the_exit_codes_in_the_table_are_those_of_the_help() -> None:
    table = {
        int(code) for code in re.findall(r"^\| (\d+) \|", section("reference/cli.md", "Exit codes"), re.M)
    }
    helped = {int(code) for code in re.findall(r"\b(\d+) [a-z]", command_line.EPILOG)}
    assert helped <= table
    assert table - helped == {70}  # of the watchdog


def test_what_troubleshooting_quotes_is_what_the_code_says() -> None:
    """Of each row the first cell, between code marks: pieces of two words or more."""
    modules = [
        path.read_text() for name in ("streamlearner", "connectors") for path in (ROOT / name).rglob("*.py")
    ]
    said = re.sub(r'"\s*\n\s*f?"', "", "\n".join(modules))  # texts that go over several lines
    page = (ROOT / "docs" / "how-to" / "troubleshooting.md").read_text()
    quoted = [
        text
        for row in re.findall(r"^\| ([^|]*) \|", page, re.MULTILINE)
        for text in re.findall("`([^`]+)`", row)
    ]
    pieces = [piece.strip() for text in quoted for piece in text.split("...") if " " in piece.strip()]
    assert len(pieces) > 10
    assert [piece for piece in pieces if piece not in said] == []


def test_the_reasons_of_rejects_are_those_of_the_codec() -> None:
    rows = section("reference/messages.md", "Rejected messages")
    assert tuple(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == codec.REASONS


def test_the_content_types_are_those_that_are_read() -> None:
    named = set(re.findall(r"`(\w+/[\w.+-]+)`", section("reference/messages.md", "Values")))
    assert named == set(headers._MEDIA)


def test_the_headers_are_those_that_are_read() -> None:
    named = set(re.findall(r"`([\w-]+)`", section("reference/messages.md", "Headers")))
    assert named == set(headers.ATTRIBUTES)
