"""The generated parts of the docs are those that the code would write now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import doc_pages
from tests.support.reference import MAKERS, file_map, generated, imports, renewed

MEND = "write it anew: make docs"
PAGES = [page for page in doc_pages.pages() if generated(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_generated_page_is_as_the_code_is(page: Path) -> None:
    text = page.read_text()
    assert text == renewed(text), MEND


def test_every_maker_writes_a_part_of_some_page() -> None:
    assert sorted(name for page in PAGES for name in generated(page.read_text())) == sorted(MAKERS)


def test_what_stands_between_the_comments_is_replaced_and_nothing_else() -> None:
    text = "before\n<!-- generated: imports -->\nold\n<!-- generated: end -->\nafter\n"
    begin, _, end = renewed(text).partition(imports.page())
    assert (begin, end) == (
        "before\n<!-- generated: imports -->\n",
        "\n<!-- generated: end -->\nafter\n",
    )


def test_every_module_has_a_caption() -> None:
    assert [name for name in file_map.modules() if not file_map.caption(name)] == []
    assert [name for name in file_map.BESIDE if not (file_map.ROOT / name).exists()] == []


def test_the_file_map_lists_every_module() -> None:
    lines = file_map.page().splitlines()[1:-1]
    listed = {line.split()[0].rstrip("/") for line in lines}
    assert {name.rstrip("/").split("/")[-1] for name in file_map.modules()} <= listed
    assert len(lines) == len(file_map.modules()) + len(file_map.BESIDE)


def test_a_circle_of_imports_is_named() -> None:
    pairs = imports.Pairs({("a", "b"): 1, ("b", "c"): 1, ("c", "b"): 2})
    with pytest.raises(ValueError, match="in a circle: b, c"):
        imports.from_the_top(pairs)


def test_packages_stand_before_those_that_they_import() -> None:
    pairs = imports.Pairs({("b", "c"): 1, ("a", "b"): 1, ("a", "c"): 1})
    assert imports.from_the_top(pairs) == ["a", "b", "c"]
