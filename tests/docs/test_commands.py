"""Every command and configuration that the pages show is one, also where it is not run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from streamlearner.commands import main as command_line
from streamlearner.config.loading import load, parse_settings
from tests.support import doc_pages
from tests.support.doc_pages import Block

COMMANDS = {line: block.page for block in doc_pages.of_kind("sh") for line in doc_pages.commands(block)}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_shown_is_one(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in doc_pages.blocks(COMMANDS[line]):
        if block.file:  # a part of one's own that the command names
            (tmp_path / block.file).write_text(block.text)
            monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("four.png", "label.json", "production.yaml"):
        Path(name).touch()
    words = shlex.split(line.split(" > ")[0], comments=True)
    environ = dict(word.split("=", 1) for word in words[: words.index("streamlearner")])
    words = words[words.index("streamlearner") + 1 :]
    parsed = parameters(typer.main.get_command(command_line.app), words)
    if "set_" in parsed:
        load(path=parsed["config"], settings=parse_settings(parsed["set_"] or []), environ=environ)


def parameters(command: Any, words: list[str]) -> dict[str, Any]:
    """What the command line makes of the words, without running anything."""
    while hasattr(command, "commands"):
        command = command.commands[words[0]]
        words = words[1:]
    found: dict[str, Any] = command.make_context(command.name, list(words)).params
    return found


def test_all_commands_are_shown() -> None:
    root = typer.main.get_command(command_line.app)
    names = {word for line in COMMANDS for word in line.split()}
    assert len(COMMANDS) > 40
    assert [name for name in root.commands if name not in names | {"demo"}] == []
    assert "make demo" in (doc_pages.ROOT / "README.md").read_text()


@pytest.mark.parametrize("block", doc_pages.of_kind("yaml"), ids=str)
def test_every_configuration_shown_can_be_used(block: Block, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(block.text)
    config, shown = load(path=tmp_path / "shown.yaml", environ={}), yaml.safe_load(block.text)
    plain = {
        (section, key): value
        for section, settings in shown.items()
        for key, value in settings.items()
        if not isinstance(value, dict)
    }
    assert plain
    assert {(section, key): getattr(getattr(config, section), key) for section, key in plain} == plain


def test_every_exported_name_is_a_setting_or_known_to_the_command_line() -> None:
    lines = [line for block in doc_pages.of_kind("sh") for line in block.text.splitlines()]
    exported = [line.removeprefix("export ") for line in lines if line.startswith("export ")]
    assert exported
    load(path=None, environ=dict(line.split("=", 1) for line in exported))
