"""The figures: the bodies that DESIGN.md promises, and sums that hold."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.reports import memory_document, publish_metrics, retention_document, status_document
from streamlearner.daemon.requests import StatusDocuments
from streamlearner.memory.records import Records
from streamlearner.telemetry.series import OUTCOMES
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
def fresh(tmp_path: Path) -> Iterator[Daemon]:
    with closing(build(settings(tmp_path / "fresh"), source=MemorySource())) as daemon:
        yield daemon


def status_of(daemon: Daemon, *, uptime_s: float = 0.0) -> dict[str, Any]:
    return status_document(daemon.state, daemon.persistence, served=daemon.serving, uptime_s=uptime_s)


def documents_of(daemon: Daemon) -> StatusDocuments:
    return StatusDocuments(*bodies(daemon), version=0)


def bodies(daemon: Daemon) -> list[dict[str, Any]]:
    return [
        status_of(daemon, uptime_s=1.23456),
        retention_document(daemon.learner),
        memory_document(daemon.learner, budget_bits=4_000),
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


def test_served_accuracy_is_shown_overall_and_by_class(daemon: Daemon) -> None:
    assert daemon.learner is not None
    watched = status_of(daemon)["served_accuracy"]
    assert watched["by_class"].keys() == {str(label) for label in daemon.learner.labels.state()}
    assert 0 <= watched["overall"] <= 1
    assert watched["falls"] == daemon.learner.served.falls
    assert watched["last_fall"] == daemon.learner.served.last


def test_retention_says_when_it_was_measured_and_how_long_ago_classes_were_seen(daemon: Daemon) -> None:
    learner = daemon.learner
    assert learner is not None and learner.exam_accuracy is not None
    kept = retention_document(learner)
    assert 0 < kept["as_of"] <= learner.progress.learned
    assert kept["last_seen"].keys() == {str(label) for label in learner.labels.state()}
    assert all(0 < age <= learner.progress.learned for age in kept["last_seen"].values())
    assert kept["by_age"] == {"1000": pytest.approx(kept["overall"])}
    publish_metrics(daemon.state, documents_of(daemon))
    shown = daemon.state.events.metrics.exposition().decode()
    assert 'streamlearner_retention_ratio{slice="age:1000"}' in shown
    assert f"streamlearner_retention_examples {float(kept['as_of'])}" in shown


def test_the_messages_taken_are_the_sum_of_what_became_of_them(daemon: Daemon) -> None:
    status = status_of(daemon)
    assert status["examples"].keys() == set(OUTCOMES)
    assert sum(status["examples"].values()) == status["messages"] == COUNT
    assert sum(status["rejects"].values()) == status["examples"]["rejected"] == 4
    assert status["examples"]["duplicate"] == 7
    assert status["position"] == {"index": COUNT} and status["lag"] == {"0": 0}
    assert status["method"] == "recollection_replay" and status["uptime_s"] == 0.0


def test_retention_is_the_mean_over_classes_whatever_their_share_of_the_exam(daemon: Daemon) -> None:
    retention, learner = retention_document(daemon.learner), daemon.learner
    assert learner is not None
    shares = retention["by_class"]
    assert set(shares) <= {"0", "1", "2"} and len(shares) >= 2
    assert retention["overall"] == pytest.approx(sum(shares.values()) / len(shares))
    assert retention["exam"] == len(learner.exam) > 5
    assert len(retention["matrix"]) == learner.progress.period


def test_the_memory_reported_is_the_memory_held(daemon: Daemon) -> None:
    memory, learner = memory_document(daemon.learner, budget_bits=4_000), daemon.learner
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


def test_figures_of_the_memory_copy_none_of_its_records(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are published four times a second, and a memory may have 64 MiB."""

    def copied(records: Records) -> dict[str, Any]:
        raise AssertionError("copies all records")

    monkeypatch.setattr(Records, "state", copied)
    assert memory_document(daemon.learner, budget_bits=4_000)["recollections"] > 0


def test_the_same_figures_are_the_gauges(daemon: Daemon) -> None:
    memory = memory_document(daemon.learner, budget_bits=4_000)
    publish_metrics(daemon.state, documents_of(daemon))
    lines = daemon.state.events.metrics.exposition().decode().splitlines()
    shown = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    retention, status = retention_document(daemon.learner), status_of(daemon)
    assert float(shown['streamlearner_retention_ratio{slice="overall"}']) == retention["overall"]
    for name, bits in memory["stored_bits"].items():
        assert float(shown[f'streamlearner_memory_bits{{store="{name}"}}']) == bits
    for outcome in ("learned", "withheld", "rejected", "duplicate"):
        counted = float(shown[f'streamlearner_examples_total{{outcome="{outcome}"}}'])
        assert counted == status["examples"][outcome], outcome
    assert float(shown['streamlearner_stream_lag{partition="0"}']) == 0


# as the daemon publishes them


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Daemon]:
    """Never run: the tests are its learning thread. It has learned one batch."""
    with closing(build(settings(tmp_path), source=MemorySource(a_stream(200)))) as daemon:
        daemon.wake()
        yield daemon


def published(daemon: Daemon) -> list[Any]:
    return [daemon.requests.status(), daemon.requests.retention(), daemon.requests.memory()]


def test_documents_are_published_when_they_are_due(begun: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlearner.daemon.requests.PUBLISH_EVERY_S", 3600.0)
    begun.publish()
    begun.wake()
    begun.publish()
    assert begun.requests.status()["messages"] == 5 and begun.requests.learning
    monkeypatch.setattr("streamlearner.daemon.requests.PUBLISH_EVERY_S", 0.0)
    begun.publish()
    assert begun.requests.status()["messages"] == 10


def test_a_document_once_published_never_changes(begun: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlearner.daemon.requests.PUBLISH_EVERY_S", 0.0)
    while not begun.requests.retention().get("matrix"):
        begun.wake()
        begun.consolidate()
        begun.publish()
    given = published(begun)
    copies = copy.deepcopy(given)
    for _ in range(25):
        begun.wake()
        begun.consolidate()
    begun.publish()
    assert given == copies
    assert all(new != old for new, old in zip(published(begun), given, strict=True))
    assert len(begun.requests.retention()["matrix"]) > len(given[1]["matrix"])


def test_recollections_are_decoded_by_class_and_none_before_the_first_example(
    begun: Daemon, fresh: Daemon
) -> None:
    ((label, inputs),) = begun.recollecting(2)()
    assert (label, len(inputs), inputs.shape[1:]) == (0, 2, (1, 6, 6))
    assert fresh.recollecting(2)() == []
