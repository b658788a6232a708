"""What is shipped, what it is installed with, and that the checks of the imports really check."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("streamlearner", "connectors")
"""Installed, `connectors` is `streamlearner.connectors`: a link in the package stands for it."""
CACHES = shutil.ignore_patterns("__pycache__", "results", "*.pyc")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages and what builds them, so that building leaves nothing in the working tree."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "LICENSE", "README.md", "Makefile", "constraints.txt"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=CACHES, symlinks=True)
    return folder


@pytest.fixture(scope="module")
def shipped(copy: Path) -> zipfile.ZipFile:
    """The wheel, built from a tree that also holds bench results."""
    results = copy / "streamlearner" / "bench" / "results"
    results.mkdir()
    (results / "mnist-split.json").write_text("{}")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    built = subprocess.run(
        [*command, "--wheel-dir", "dist", "."], cwd=copy, capture_output=True, text=True, timeout=120
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (copy / "dist").glob("streamlearner-0.1.0-*.whl")
    return zipfile.ZipFile(wheel)


def test_the_wheel_holds_every_module_of_both_folders(copy: Path, shipped: zipfile.ZipFile) -> None:
    found = {path.relative_to(copy).as_posix() for name in FOLDERS for path in (copy / name).rglob("*.py")}
    modules = {path if path.startswith("streamlearner/") else f"streamlearner/{path}" for path in found}
    assert len([path for path in modules if path.startswith("streamlearner/connectors/")]) > 20
    assert modules - set(shipped.namelist()) == set()
    assert {"streamlearner/py.typed", "streamlearner/connectors/py.typed"} <= set(shipped.namelist())


def test_the_wheel_holds_the_dashboard_but_no_results_and_no_tests(shipped: zipfile.ZipFile) -> None:
    names = shipped.namelist()
    page = "streamlearner/serving/dashboard/files"
    parts = {f"{page}/{name}" for name in ("index.html", "main.js", "base.css", "icon.svg")}
    vendored = {
        f"{page}/vendor/{name}" for name in ("uPlot.iife.min.js", "uPlot.min.css", "uPlot-LICENSE.txt")
    }
    assert parts | vendored <= set(names)
    assert [name for name in names if "/results/" in name] == []
    tops = {name.split("/")[0] for name in names}
    assert tops == {"streamlearner", "streamlearner-0.1.0.dist-info"}, "names that others may have too"


def test_the_wheel_holds_the_licence_and_the_command(shipped: zipfile.ZipFile) -> None:
    info = "streamlearner-0.1.0.dist-info"
    assert shipped.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert "License-Expression: Apache-2.0" in shipped.read(f"{info}/METADATA").decode()
    assert (
        "streamlearner = streamlearner.commands.main:main"
        in shipped.read(f"{info}/entry_points.txt").decode()
    )


def test_every_dependency_is_pinned_inside_its_range(project: dict[str, Any]) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = {canonical(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    extras = project["project"]["optional-dependencies"]
    wanted = [
        Requirement(text) for text in project["project"]["dependencies"] + extras["test"] + extras["bench"]
    ]
    outside = {
        str(need): pinned.get(canonical(need.name), "not pinned")
        for need in wanted
        if canonical(need.name) not in pinned
        or not need.specifier.contains(Version(pinned[canonical(need.name)]), prereleases=True)
    }
    assert outside == {}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_setting_up_again_does_nothing_until_a_pin_changes(copy: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    is_up_to_date = ["make", "--question", "setup"]
    assert subprocess.run(is_up_to_date, cwd=copy, capture_output=True).returncode == 1
    (copy / ".venv").mkdir()
    (copy / ".venv" / ".setup").touch()
    assert subprocess.run(is_up_to_date, cwd=copy, capture_output=True).returncode == 0
    newer = (copy / ".venv" / ".setup").stat().st_mtime + 10
    os.utime(copy / "constraints.txt", (newer, newer))
    assert subprocess.run(is_up_to_date, cwd=copy, capture_output=True).returncode == 1


def test_every_module_has_its_place_in_the_layers(project: dict[str, Any]) -> None:
    (layers,) = [c["layers"] for c in project["tool"]["importlinter"]["contracts"] if c["id"] == "layers"]
    placed = set(re.findall(r"streamlearner\.(\w+)", " ".join(layers)))
    found = {path.stem for path in (ROOT / "streamlearner").iterdir() if path.suffix == ".py"}
    found |= {path.parent.name for path in (ROOT / "streamlearner").glob("*/__init__.py")}
    assert found - placed - {"__init__"} == set(), "add it to the layers of import-linter in pyproject.toml"


VIOLATIONS = {
    "Imports point down": ("streamlearner/errors.py", "import streamlearner.stream"),
    "No circles": ("streamlearner/state/durable_files.py", "import streamlearner.state.checkpoint"),
    "The bench has floors": ("streamlearner/bench/kit/figure.py", "import streamlearner.bench.report"),
    "Only app and the commands read": (
        "streamlearner/bench/curious.py",
        "import streamlearner.config.loading",
    ),
    "Connectors see only": ("connectors/nosy.py", "import streamlearner.evaluation"),
    "Connectors stay light": ("connectors/heavy.py", "from torch import Tensor"),
    "A method knows": ("streamlearner/methods/copycat.py", "import streamlearner.methods.original"),
    "The evaluations do not": (
        "streamlearner/evaluation/copycat.py",
        "import streamlearner.evaluation.original",
    ),
}


def test_each_contract_of_the_imports_notices_its_violation(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=CACHES, symlinks=True)
    for family in ("methods", "evaluation"):
        (tmp_path / "streamlearner" / family / "original.py").touch()
    before = broken_contracts(tmp_path)
    for path, line in VIOLATIONS.values():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n{line}\n")
    after = broken_contracts(tmp_path)
    assert before == set()
    assert after == set(VIOLATIONS)


def broken_contracts(folder: Path) -> set[str]:
    """The contracts that import-linter calls broken, by the words that their names begin with."""
    linter = Path(sys.executable).parent / "lint-imports"
    if not linter.exists():
        pytest.skip("import-linter is not installed: pip install 'streamlearner[test]'")
    done = subprocess.run([str(linter), "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=60)
    said = " ".join(done.stdout.split())  # long names are broken over two lines
    verdicts = {name: re.search(re.escape(name) + r".*? (KEPT|BROKEN)", said) for name in VIOLATIONS}
    assert all(verdicts.values()), done.stdout + done.stderr
    return {name for name, verdict in verdicts.items() if verdict and verdict[1] == "BROKEN"}
