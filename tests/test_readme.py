"""README.md tells the truth: files exist, commands parse, links resolve, tables are complete."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client import CollectorRegistry

from streamlearner.commands import main as cli
from streamlearner.config.loading import Config, load, parse_settings
from streamlearner.config.problems import setting
from streamlearner.telemetry.metrics import Metrics
from tests.support import file_map

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
COMMANDS = [line for line in LINES if re.match(r"(\w+=\S+ |\w+='[^']*' )*streamlearner ", line)]


def section(title: str) -> str:
    """The text under a heading of the second level."""
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_it_opens_with_what_it_is_and_two_commands() -> None:
    title, what, commands = README.split("\n\n")[:3]
    assert title == "# streamlearner"
    assert what.startswith("streamlearner is a daemon that learns") and what.count(". ") == 0
    targets = re.findall(r"make (\w+)", commands)
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_the_file_map_lists_every_module_and_nothing_else() -> None:
    there = {*file_map.modules(), *file_map.BESIDE}
    listed = set(file_map.listed())
    mend = "write it anew: python tests/support/file_map.py"
    assert (there - listed, listed - there) == (set(), set()), mend
    assert [name for name in file_map.BESIDE if not (ROOT / name).exists()] == []


def test_every_module_has_a_caption() -> None:
    assert [name for name in file_map.modules() if not file_map.caption(name)] == []


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_shown_is_one(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("four.png", "production.yaml"):
        Path(name).touch()
    words = shlex.split(line, comments=True)
    environ = dict(word.split("=", 1) for word in words[: words.index("streamlearner")])
    words = words[words.index("streamlearner") + 1 :]
    parsed = parameters(typer.main.get_command(cli.app), words)
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
    said = " ".join([*COMMANDS, README])
    assert len(COMMANDS) >= 10
    for name in ("run", "produce", "predict", "status", "checkpoint list", "config check", "config show"):
        assert f"{name}" in said


@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind == "yaml"])
def test_every_configuration_shown_can_be_used(block: str, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(block)
    config, shown = load(path=tmp_path / "shown.yaml", environ={}), yaml.safe_load(block)
    plain = {
        (section, key): value
        for section, settings in shown.items()
        for key, value in settings.items()
        if not isinstance(value, dict)
    }
    assert plain
    assert {(section, key): getattr(getattr(config, section), key) for section, key in plain} == plain


def test_every_setting_named_exists() -> None:
    sections = "|".join(Config.model_fields)
    named = set(re.findall(rf"`((?:{sections})\.[a-z_.]+?)(?:\.\*)?`", README))
    assert len(named) > 15
    assert [key for key in named if setting(Config, tuple(key.split("."))) is None] == []


def test_every_exported_name_is_a_setting_or_known_to_the_command_line() -> None:
    exported = [line.removeprefix("export ") for line in LINES if line.startswith("export ")]
    assert exported
    load(path=None, environ=dict(line.split("=", 1) for line in exported))


def test_links_resolve() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(targets) > 5
    outside = [target for target in targets if "://" in target]
    assert outside == [], "links outside cannot be checked"
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_path_of_the_application_is_in_the_table() -> None:
    source = (ROOT / "streamlearner" / "serving" / "application.py").read_text()
    served = set(re.findall(r'_(?:get|post)\(app, "(/[^"]*)"', source))
    named = set(re.findall(r"`(/[a-z0-9_./]*)`", section("HTTP")))
    assert len(served) > 10
    assert (served - named, named - served) == (set(), {"/openapi.json"})


def test_every_series_is_in_the_table_and_no_other() -> None:
    metrics = Metrics(CollectorRegistry())
    prefix = "streamlearner_"
    families = metrics.exposition().decode()
    declared = {
        name.removeprefix(prefix) for name in re.findall(rf"^# TYPE ({prefix}\w+)", families, re.MULTILINE)
    }
    rows = [line.split("|")[1] for line in section("Metrics").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)(?:\{[^}]*\})?`", row)}
    assert len(named) > 30
    assert (declared - named, named - declared) == (set(), set())


def test_the_exit_codes_in_the_table_are_those_of_the_help() -> None:
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", section("Operations"), re.MULTILINE)}
    helped = {int(code) for code in re.findall(r"\b(\d+) [a-z]", cli.EPILOG)}
    assert helped <= table
    assert table - helped == {70}  # of the watchdog


def test_no_machine_is_named() -> None:
    for name in ("README.md", "CHANGELOG.md", "config.yaml"):
        assert re.findall(r"/(?:work|home|root|tmp)/", (ROOT / name).read_text()) == []


def test_the_changelog_begins_with_what_is_not_yet_released() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
