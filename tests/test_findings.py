"""The scripts of findings/: they run as they stand, say what they show, and are no part of the product.

They are not run here: they install other people's packages.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "findings"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
PINNED = re.compile(r"\"?[A-Za-z0-9._-]+(\[[a-z,]+\])?==[0-9][A-Za-z0-9.]*\"?")
PINNED_BY_DEBIAN = re.compile(r"[a-z0-9.+-]+=[0-9][A-Za-z0-9.+:~-]*")

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)


def header(script: Path) -> list[str]:
    lines = script.read_text().splitlines()[1:]
    return [line[1:].strip() for line in lines[: next(i for i, line in enumerate(lines) if line[:1] != "#")]]


def installed(script: Path) -> list[tuple[re.Pattern[str], str]]:
    """Each package that the script installs, with the form that pins it."""
    text = script.read_text().replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        for command, pin in (('/pip" install', PINNED), ("apt-get download", PINNED_BY_DEBIAN)):
            if command in line:
                words = line.split(command, 1)[1].split()
                found += [(pin, word) for word in words if not word.startswith("-")]
    return found


def listed() -> list[tuple[str, str]]:
    """What README.md lists: the script and its sentence."""
    text = (FOLDER / "README.md").read_text()
    return re.findall(r"^\| \[[a-z0-9-]+\]\(([a-z0-9-]+\.sh)\) \| [^|]+ \| (.+) \|$", text, re.MULTILINE)


@each_script
def test_its_header_states_the_version_the_behaviour_and_what_was_seen(script: Path) -> None:
    title, *rest = header(script)
    assert len(title) > 40
    for tag in ("Version: ", "Behaviour: ", "Seen ("):
        assert sum(line.startswith(tag) for line in rest) == 1, tag
    seen = next(i for i, line in enumerate(rest) if line.startswith("Seen ("))
    assert any(rest[seen + 1 :]), "nothing was seen"


@each_script
def test_it_pins_every_package_it_installs(script: Path) -> None:
    packages = installed(script)
    assert packages
    assert [word for pin, word in packages if not pin.fullmatch(word)] == []


@each_script
def test_it_works_in_a_temporary_folder_and_removes_it(script: Path) -> None:
    text = script.read_text()
    assert "folder=$(mktemp -d)\ntrap 'rm -rf \"$folder\"' EXIT\n" in text


@each_script
def test_it_can_be_run_and_bash_can_read_it(script: Path) -> None:
    assert os.access(script, os.X_OK)
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


@each_script
def test_it_fails_when_the_behaviour_has_changed(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n") and "\nset -euo pipefail\n" in text
    assert "raise SystemExit(not as_found)\n" in text or '" != "$expected" ]; then' in text


@each_script
def test_it_has_nothing_of_streamlearner(script: Path) -> None:
    assert "streamlearner" not in script.read_text()
    assert "connectors" not in script.read_text()


@each_script
def test_the_readme_lists_it_with_its_own_sentence(script: Path) -> None:
    ((_, sentence),) = [row for row in listed() if row[0] == script.name]
    assert sentence == header(script)[0]


def test_the_readme_lists_nothing_else_and_nothing_else_is_there() -> None:
    assert len(SCRIPTS) > 10
    assert {name for name, _ in listed()} == {script.name for script in SCRIPTS}
    assert {path.name for path in FOLDER.iterdir()} == {script.name for script in SCRIPTS} | {"README.md"}


def test_the_wheel_and_the_test_run_leave_the_folder_out() -> None:
    tool = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["tool"]
    assert tool["setuptools"]["packages"]["find"]["include"] == ["streamlearner*"]
    assert tool["pytest"]["ini_options"]["testpaths"] == ["tests"]
    assert list(FOLDER.rglob("*.py")) == []
