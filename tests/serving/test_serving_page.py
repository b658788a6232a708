from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.support.serving_fakes import InProcess


class Outline(HTMLParser):
    """Which elements are open at the end, and everything that names another resource."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input", "path", "rect", "line", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.named: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.named += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture
def outline(client: InProcess) -> Outline:
    parsed = Outline()
    parsed.feed(client.get("/").text)
    return parsed


def test_the_page_is_well_formed_and_no_id_occurs_twice(outline: Outline) -> None:
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids)) > 5


def test_the_page_loads_nothing_from_elsewhere(client: InProcess, outline: Outline) -> None:
    assert all(re.match(r"(/(?!/)|data:|#)", value) for value in outline.named)
    text = client.get("/").text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|url\(|@import", text)
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]


def test_the_page_never_makes_markup_of_what_came_in(client: InProcess) -> None:
    text = client.get("/").text
    assert "textContent" in text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_every_element_that_the_script_asks_for_is_there(client: InProcess, outline: Outline) -> None:
    asked = set(re.findall(r'\$\("([\w-]+)"\)', client.get("/").text))
    assert len(asked) > 5
    assert asked <= set(outline.ids)
