"""The figures: the bodies that DESIGN.md promises, and sums that hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.reports import memory_report, publish_metrics, retention_report, status_report
from tests.support.daemon_runs import a_stream, run, settings

COUNT = 120
STATUS = {
    "examples", "position", "lag", "asleep", "model_version", "prequential_accuracy", "method", "uptime_s",
}  # fmt: skip
RETENTION = {"overall", "by_class", "by_period", "matrix", "forgetting", "backward_transfer", "readout"}
MEMORY = {"budget_bits", "stored_bits", "parameter_bits", "recollections", "bits_per_example", "seen"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    return run(settings(tmp_path_factory.mktemp("state")), MemorySource(a_stream(COUNT)))


@pytest.fixture
def fresh(tmp_path: Path) -> Daemon:
    return build(settings(tmp_path), source=MemorySource())


def bodies(daemon: Daemon) -> list[dict[str, Any]]:
    return [
        status_report(daemon, uptime_s=1.23456),
        retention_report(daemon.learner),
        memory_report(daemon.learner, budget_bits=4_000),
    ]


@pytest.mark.parametrize("which", ["fresh", "daemon"])
def test_each_body_holds_what_was_promised_and_is_json_before_and_after_the_first_example(
    which: str, request: pytest.FixtureRequest
) -> None:
    for body, promised in zip(
        bodies(request.getfixturevalue(which)), (STATUS, RETENTION, MEMORY), strict=True
    ):
        assert promised <= body.keys()
        assert json.loads(json.dumps(body, allow_nan=False)) == body


def test_the_bodies_have_the_same_names_before_and_after_the_first_example(
    fresh: Daemon, daemon: Daemon
) -> None:
    for before, after in zip(bodies(fresh), bodies(daemon), strict=True):
        assert before.keys() == after.keys()


def test_the_messages_taken_are_the_sum_of_what_became_of_them(daemon: Daemon) -> None:
    status = status_report(daemon, uptime_s=0.0)
    assert status["examples"].keys() == {"learned", "withheld", "rejected", "duplicate"}
    assert sum(status["examples"].values()) == status["messages"] == COUNT
    assert sum(status["rejects"].values()) == status["examples"]["rejected"] == 4
    assert status["examples"]["duplicate"] == 7
    assert status["position"] == {"index": COUNT} and status["lag"] == {"0": 0}
    assert status["method"] == "recollection_replay" and status["uptime_s"] == 0.0


def test_retention_is_the_mean_over_classes_whatever_their_share_of_the_exam(daemon: Daemon) -> None:
    retention, learner = retention_report(daemon.learner), daemon.learner
    assert learner is not None
    shares = retention["by_class"]
    assert set(shares) <= {"0", "1", "2"} and len(shares) >= 2
    assert retention["overall"] == pytest.approx(sum(shares.values()) / len(shares))
    assert retention["exam"] == len(learner.exam) > 5
    assert len(retention["matrix"]) == learner.progress.period


def test_the_memory_reported_is_the_memory_held(daemon: Daemon) -> None:
    memory, learner = memory_report(daemon.learner, budget_bits=4_000), daemon.learner
    assert learner is not None
    assert 0 < memory["stored_bits"]["recollections"] <= memory["budget_bits"]
    held = learner.exam.state_dict()
    exam_bits = 8 * (held["inputs"].nbytes + held["facts"].nbytes)
    assert memory["stored_bits"]["exam"] == pytest.approx(exam_bits, rel=0.01)
    assert memory["stored_bits"]["exam"] <= memory["exam_budget_bits"]
    assert sum(memory["recollections_by_class"].values()) == memory["recollections"] > 0
    assert memory["seen"] == learner.progress.learned
    assert memory["bits_per_example"] == memory["stored_bits"]["recollections"] / memory["seen"]
    assert set(memory["parameter_bits"]) >= {"hippocampus", "neocortex", "association"}


def test_the_same_figures_are_the_gauges(daemon: Daemon) -> None:
    memory = memory_report(daemon.learner, budget_bits=4_000)
    publish_metrics(daemon, memory=memory)
    lines = daemon.reporter.metrics.exposition().decode().splitlines()
    shown = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    retention, status = retention_report(daemon.learner), status_report(daemon, uptime_s=0.0)
    assert float(shown['streamlearner_retention_ratio{slice="overall"}']) == retention["overall"]
    for name, bits in memory["stored_bits"].items():
        assert float(shown[f'streamlearner_memory_bits{{store="{name}"}}']) == bits
    for outcome in ("learned", "withheld", "rejected", "duplicate"):
        counted = float(shown[f'streamlearner_examples_total{{outcome="{outcome}"}}'])
        assert counted == status["examples"][outcome], outcome
    assert float(shown['streamlearner_stream_lag{partition="0"}']) == 0
