"""The Python that the pages show runs, block after block, as a reader would paste it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.support import doc_pages

BLOCKS = [block for block in doc_pages.of_kind("python") if block.is_run]
PAGES = list(dict.fromkeys(block.page for block in BLOCKS))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(doc_pages.ROOT)))
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, object] = {}
    for block in BLOCKS:
        if block.page == page and block.file:
            (tmp_path / block.file).write_text(block.text)
        elif block.page == page:
            exec(compile(block.text, str(block), "exec"), names)


@pytest.mark.parametrize("number", [1, 2])
def test_no_test_finds_a_module_that_another_wrote(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_number.py").write_text(f"NUMBER = {number}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert number == importlib.import_module("my_number").NUMBER
