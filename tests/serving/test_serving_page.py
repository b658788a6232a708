from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from tests.support.serving_fakes import InProcess

FILES = files("streamlearner.serving.dashboard").joinpath("files")
OURS = sorted(one.name for one in FILES.iterdir() if not one.is_dir())
SCRIPTS = [name for name in OURS if name.endswith(".js")]


class Outline(HTMLParser):
    """Which elements are open at the end, everything that names another resource, and what labels what."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input", "path", "rect", "line", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.named: list[str] = []
        self.ids: list[str] = []
        self.referred: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.named += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.referred += [value or "" for name, value in attrs if name in ("for", "aria-labelledby")]
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture
def outline(client: InProcess) -> Outline:
    parsed = Outline()
    parsed.feed(client.get("/").text)
    return parsed


def served(client: InProcess, name: str) -> str:
    answer = client.get(f"/dashboard/{name}")
    assert answer.status_code == 200
    return answer.text


def test_the_page_is_well_formed_and_no_id_occurs_twice(outline: Outline) -> None:
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids)) > 5
    assert set(outline.referred) <= set(outline.ids)


def test_every_file_that_the_page_names_is_served_with_its_type(client: InProcess, outline: Outline) -> None:
    named = [value for value in outline.named if value.startswith("/dashboard/")]
    assert len(named) > 4
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
    for path in named:
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kinds[path[path.rindex(".") :]])
    imported = {name for script in SCRIPTS for name in re.findall(r'"\./([\w.]+)"', served(client, script))}
    assert imported <= set(SCRIPTS)
    assert set(SCRIPTS) - imported == {"main.js"}


@pytest.mark.parametrize("name", ["none.js", "..%2fpage.py", "%2e%2e/page.py", "vendor", "page.py"])
def test_nothing_else_is_served(client: InProcess, name: str) -> None:
    assert client.get(f"/dashboard/{name}").status_code == 404


def test_the_page_loads_nothing_from_elsewhere_and_runs_only_its_files(
    client: InProcess, outline: Outline
) -> None:
    assert all(re.match(r"(/(?!/)|#)", value) for value in outline.named)
    for name in OURS:
        text = served(client, name).replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|url\(|@import", text), name
    assert outline.inline == []
    for path in ("/", "/dashboard/main.js"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "script-src 'self'; style-src 'self'; connect-src 'self'" in policy


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_of_what_came_in(client: InProcess, name: str) -> None:
    text = served(client, name)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)


def test_every_element_that_a_script_asks_for_is_there(client: InProcess, outline: Outline) -> None:
    scripts = [served(client, name) for name in SCRIPTS]
    asked = {found for text in scripts for found in re.findall(r'(?:\$|show)\("([\w-]+)"', text)}
    made = set(re.findall(r'\["(\w+)", "', served(client, "tiles.js")))  # the tiles, and a note in each
    assert len(asked) > 30
    assert asked <= set(outline.ids) | made
