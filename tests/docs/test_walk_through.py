"""The pages, read as a new user reads them: each shell block is run in its order, but for those marked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import doc_pages
from tests.support.doc_pages import FIRST_TERMINAL, Block
from tests.support.terminals import SHOWN_BROKER, Terminals

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on the PATH")


def scripts(page: Path) -> list[Block]:
    return [block for block in doc_pages.blocks(page) if block.kind == "sh" and block.is_run]


def on_kafka(page: Path) -> bool:
    return any(SHOWN_BROKER in block.text for block in scripts(page))


PAGES = [page for page in doc_pages.pages() if scripts(page)]
ALREADY_RUN: set[str] = set()
"""Blocks that a page about the running daemon has in common with one before it."""


def read(page: Path, terminals: Terminals, *, but: Collection[str] = ()) -> None:
    """The page from its first block to its last; files that it shows are written on the way."""
    shown = [block for block in doc_pages.blocks(page) if block.is_run and block.text not in but]
    for place, block in enumerate(shown):
        if block.file:
            (terminals.folder / block.file).write_text(block.text)
        elif block.kind == "sh" and block.mark == FIRST_TERMINAL:
            terminals.start(block.text)
        elif block.kind == "sh":
            printed = terminals.run(block.text)
            following = shown[place + 1].text if shown[place + 1 :] else ""
            assert '"error":' not in printed or '"error":' in following, f"{block}:\n{printed}"


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    made = Terminals(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminals]:
    """The daemon that pages take for granted: digits were pushed to it."""
    made = Terminals(tmp_path_factory.mktemp("running"))
    made.start(
        "streamlearner run --set sleep.every_examples=100 --set sleep.min_examples=50 --set sleep.steps=20"
    )
    made.run("streamlearner produce --to push --limit 200 --set source.files.format=digits")
    yield made
    made.close()


def runs_a_daemon(page: Path) -> bool:
    return any("streamlearner run" in block.text for block in scripts(page))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if runs_a_daemon(page) and not on_kafka(page)], ids=str
)
def test_a_page_that_runs_a_daemon_can_be_followed(page: Path, terminals: Terminals) -> None:
    read(page, terminals)
    terminals.stop()


@pytest.mark.broker
@pytest.mark.parametrize("page", [page for page in PAGES if on_kafka(page)], ids=str)
def test_a_page_with_a_broker_can_be_followed(
    page: Path, terminals: Terminals, broker: Any, topic: Any
) -> None:
    topic(name="examples")
    terminals.broker = broker.address
    read(page, terminals)
    terminals.stop()


@pytest.mark.parametrize("page", [page for page in PAGES if not runs_a_daemon(page)], ids=str)
def test_a_page_about_a_running_daemon_can_be_followed(page: Path, running: Terminals) -> None:
    read(page, running, but=ALREADY_RUN)
    ALREADY_RUN.update(block.text for block in scripts(page))


@pytest.mark.parametrize("path", ["/v1/status", "/v1/retention", "/v1/memory"])
def test_the_answers_have_the_keys_that_the_reference_names(path: str, running: Terminals) -> None:
    page = (doc_pages.ROOT / "docs" / "reference" / "http.md").read_text()
    rows = page.split(f"\n`GET {path}`", 1)[1].split("\n\n", 2)[1]
    named = {key for row in rows.splitlines() for key in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(running.ask(path))


def test_most_blocks_are_run() -> None:
    everything = [block for block in doc_pages.of_kind("sh") if block.page.parent.name != "results"]
    assert len([block for block in everything if block.is_run]) > len(everything) / 2
