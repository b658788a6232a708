"""The process that exports a version runs the daemon's own code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamlearner.app.exporting import grades
from streamlearner.app.exports import ExportProcess, same_modules
from streamlearner.config.given import load_config
from tests.support.learners import of_classes, with_oracle


def test_what_lies_in_the_folder_that_the_daemon_runs_in_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "streamlearner").mkdir()
    (tmp_path / "streamlearner" / "__init__.py").write_text("raise SystemExit('a stranger')")
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])  # as of the command
    monkeypatch.chdir(tmp_path)
    config = load_config({"state_dir": str(tmp_path / "state"), "export": {"formats": ["torch"]}})
    (report,) = ExportProcess(config).export(1)
    assert "stranger" not in report["failed"] and "state" in report["failed"]


def test_ones_own_parts_are_found_where_the_daemon_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ones_own_part.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as of python -m
    environment = {"PYTHONPATH": same_modules()}
    subprocess.run([sys.executable, "-P", "-c", "import ones_own_part"], env=environment, check=True)


def test_grades_say_how_many_examples_were_graded() -> None:
    learner = with_oracle(retains=2, fraction=0.5)
    for _ in range(20):
        learner.learn(of_classes(["0", "1"]))
    graded = len(learner.exam)
    learner.evaluate()
    for _ in range(20):
        learner.learn(of_classes(["0", "1"]))
    assert grades(learner)["examples"] == graded < len(learner.exam)
