"""The file map: each module with the first line of its docstring."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CAPTION_CHARACTERS = 90
OF_PACKAGES = {
    "connectors/": "the outside world to messages; no torch",
    "streamlearner/": "messages to answers",
    "streamlearner/evaluation/": "how much is still known",
}
BESIDE = {
    "config.yaml": "every setting with its default, unit and reason",
    "deploy/": "container image, Kafka and Prometheus on one machine, alerts",
    "tests/": "they mirror the packages; integration/ runs against a real broker",
    ".ci/run": "what CI runs",
}


def modules() -> list[str]:
    """Paths of all modules; a package stands for its `__init__`."""
    files = [path for package in ("connectors", "streamlearner") for path in (ROOT / package).rglob("*.py")]
    names = [path.relative_to(ROOT).as_posix().removesuffix("__init__.py") for path in files]
    return sorted(names, key=lambda name: (name.split("/")[:-1], name))


def caption(name: str) -> str:
    """The first line of the module's docstring; only its first sentence where that is long."""
    if name in OF_PACKAGES:
        return OF_PACKAGES[name]
    path = ROOT / name
    text = (path / "__init__.py" if path.is_dir() else path).read_text()
    line = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    return (line if len(line) <= CAPTION_CHARACTERS else line.split(". ")[0]).rstrip(".")


def page() -> str:
    """A block with one line for each module and for what lies beside the packages, indented by folder."""
    captions = {name: caption(name) for name in modules()} | BESIDE
    shown = [(indented(name), text) for name, text in captions.items()]
    width = max(len(name) for name, _ in shown)
    return "\n".join(["```text", *(f"{name:{width}}  {text}".rstrip() for name, text in shown), "```"])


def indented(name: str) -> str:
    """`streamlearner/methods/base.py` as `    base.py`: its folder stands above it."""
    if name in BESIDE:
        return name
    folders, _, last = name.rstrip("/").rpartition("/")
    depth = len(folders.split("/")) if folders else 0
    return "  " * depth + last + ("/" if name.endswith("/") else "")
