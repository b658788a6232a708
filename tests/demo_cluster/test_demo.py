"""What `make demo-cluster` shows, and says where it has no Kafka. (The demo itself starts Ray: by hand.)"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.demo_cluster import __main__ as demo
from tests.demo_cluster.picture import COLUMNS, Moment, by_class, line, spark, timeline


def moment(s: float, first: int, second: int, *, version: int = 0, silent: bool = False) -> Moment:
    learners: list[dict[str, Any]] = [
        {"name": "learner-0", "examples": first, "silent": silent},
        {"name": "learner-1", "examples": second, "silent": False},
    ]
    replicas = [{"version": version}] * 2
    status = {"learners": learners, "examples": first + second, "version": version, "replicas": replicas}
    return Moment(s, status, asked=int(4 * s), failed=0)


def shown(what: Any) -> str:
    console = Console(record=True, width=100, file=sys.stderr)
    console.print(what)
    return console.export_text()


def test_without_kafka_it_names_what_is_missing_and_ends_with_69(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMLEARNER_SHARED", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["demo"])
    assert demo.main() == 69
    said = " ".join(capsys.readouterr().out.split())
    assert str(tmp_path / "kafka" / "broker") in said and "--broker" in said


def test_the_picture_shows_a_gap_where_a_learner_was_killed() -> None:
    before = [moment(s, 10 * s, 10 * s) for s in range(31)]
    after = [moment(31 + s, 300, 310 + 10 * s, version=1) for s in range(30)]
    lines = shown(timeline([*before, *after], killed_s=30.0, asked=240, failed=2)).splitlines()
    first, second = (next(text for text in lines if name in text) for name in ("learner-0", "learner-1"))
    assert first.count("█") < second.count("█") < COLUMNS + 1
    assert any("killed" in text and "×" in text for text in lines)
    assert any("240 predictions asked, 2 failed" in text for text in lines)


def test_a_line_names_who_is_silent_and_what_the_replicas_answer_with() -> None:
    told = line(moment(5.0, 40, 50, version=2, silent=True), expected=100)
    assert "90 of 100" in told and "learner-0 40 (silent)" in told and "answer with 2 2" in told


def test_columns_are_as_high_as_a_count_grew() -> None:
    assert spark([0, 8, 8, 12, 10]) == "█ ▄ "


def test_the_classes_stand_beside_the_baseline() -> None:
    told = shown(by_class({0: 0.95, 1: 1.0}, {1: 0.5}))
    assert "95%" in told and "50%" in told
