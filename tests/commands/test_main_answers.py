"""The command line against canned answers: what a person sees of a daemon's status and predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.canned_daemon import canned_daemon

pytestmark = pytest.mark.usefixtures("elsewhere")

STATUS: dict[str, Any] = {
    "examples": {"learned": 12345, "withheld": 20, "rejected": 3, "duplicate": 1},
    "rejects": {"label": 2, "[bold]": 1},
    "lag": {"0": 5, "1": 0},
    "connected": True,
    "gaps": 0,
    "asleep": True,
    "sleeps": {"adopted": 4, "refused": 1},
    "model_version": "4.12345",
    "prequential_accuracy": 0.5,
    "method": "recollection_replay",
    "waiting_for_checkpoint": False,
    "uptime_s": 93784.2,
}
RETENTION = {"overall": 0.9, "by_class": {"[red]cat": 1.0, "dog": 0.8}, "forgetting": 0.02, "exam": 20}
RETENTION |= {"backward_transfer": -0.01}
MEMORY = {"budget_bits": 524288, "stored_bits": {"recollections": 500000}, "recollections": 4000}
MEMORY |= {"recollections_by_class": {"dog": 4000}, "bits_per_example": 40.5, "seen": 12345}


def status_of(
    ended: Callable[..., Any],
    *words: str,
    status: dict[str, Any] = STATUS,
    retention: dict[str, Any] = RETENTION,
) -> tuple[int, str, str]:
    with canned_daemon() as daemon:
        bodies = {"status": status, "retention": retention, "memory": MEMORY}
        for name, body in bodies.items():
            daemon.will_answer(f"/v1/{name}", body)
        found: tuple[int, str, str] = ended("status", "-a", daemon.address, *words)
        return found


def test_status_shows_on_one_screen_what_a_person_asks_first(ended: Callable[..., Any]) -> None:
    code, out, _ = status_of(ended)
    assert code == 0
    assert len(out.splitlines()) < 30
    for line in (
        "version 4.12345 of recollection_replay, asleep", "1 d 2 h", "12,345 learned, 20 withheld, 3",
        "2 label, 1 [bold]", "5 messages in 1 of 2 partitions", "90.0% of 20 exam examples",
        "2.0%, backward transfer -1.0%", "500,000 of 524,288 bits in 4,000 recollections", "40.5 bits",
        "4 adopted, 1 refused", "[red]cat  ", "80.0%",
    ):  # fmt: skip
        assert line in out
    assert "trouble" not in out


def test_status_puts_troubles_into_words(ended: Callable[..., Any]) -> None:
    pace = {"batch_size": 160, "one_in": 4, "without_steps": 1_234}
    bad = STATUS | {"connected": False, "gaps": 7, "waiting_for_checkpoint": True, "pace": pace}
    out = status_of(ended, status=bad)[1]
    assert out.count("trouble") == 4
    assert "1,234 examples were learned without an optimiser step" in out
    assert "7 messages were gone before they could be read" in out


def test_status_names_the_classes_that_a_refused_sleep_would_have_harmed(ended: Callable[..., Any]) -> None:
    losses = {f"[b]{n}": {"before": 1.0, "after": n / 100} for n in range(5)}
    last = {"outcome": "refused", "before": 1.0, "after": 0.5, "losses": losses, "classes_losing": 7}
    out = " ".join(status_of(ended, status=STATUS | {"last_sleep": last})[1].replace("│", "").split())
    assert "the last, refused, would have lost: [b]0 100.0% to 0.0%, [b]1 100.0% to 1.0%" in out
    assert "4 more" in out
    assert "would have lost" not in status_of(ended, status=STATUS | {"last_sleep": None})[1]


def test_status_of_a_daemon_that_learned_nothing_yet_is_no_error(ended: Callable[..., Any]) -> None:
    nothing = {"overall": None, "by_class": {}, "forgetting": None, "backward_transfer": None, "exam": 0}
    code, out, _ = status_of(ended, status=STATUS | {"prequential_accuracy": None}, retention=nothing)
    assert (code, out.count("not yet measured")) == (0, 3)


def test_status_says_when_retention_was_measured_and_what_is_left_of_what_came_long_ago(
    ended: Callable[..., Any],
) -> None:
    kept = RETENTION | {"as_of": 12000, "by_age": {"1000": 0.95, "older": 0.4}}
    out = " ".join(status_of(ended, retention=kept)[1].replace("│", "").split())
    assert "90.0% of 20 exam examples, after 12,000 were learned" in out
    assert "by when a class was last seen: 95.0% within 1,000 examples, 40.0% longer ago" in out


def test_status_of_many_classes_shows_the_worst(ended: Callable[..., Any]) -> None:
    many = RETENTION | {"by_class": {f"class-{n:03}": n / 100 for n in range(100)}}
    out = status_of(ended, retention=many)[1]
    assert ("class-000" in out, "class-019" in out, "class-020" in out) == (True, True, False)
    assert "the 20 worst of 100 classes" in out


def test_status_as_json_is_what_the_daemon_said(ended: Callable[..., Any]) -> None:
    out = status_of(ended, "--json")[1]
    assert json.loads(out) == {"status": STATUS, "retention": RETENTION, "memory": MEMORY}


def test_predictions_stand_beside_their_files_as_they_are(ended: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("[1, 2]")
    found = {"label": "[red]", "probability": 0.75, "route": "neocortex"}
    with canned_daemon() as daemon:
        daemon.will_answer("/v1/predict", {"predictions": [found], "model_version": "3.7"})
        out = ended("predict", "one.json", "-a", daemon.address)[1]
        raw = ended("predict", "one.json", "-a", daemon.address, "--json")[1]
    assert out.splitlines()[1].split() == ["one.json", "[red]", "0.750", "neocortex"]
    assert "model version 3.7" in out
    assert json.loads(raw)["predictions"] == [found]


def test_sleep_takes_its_address_and_token_from_the_environment(
    ended: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with canned_daemon() as daemon:
        daemon.will_answer("/v1/sleep", {"requested": "sleep"}, status=202)
        monkeypatch.setenv("STREAMLEARNER_ADDRESS", daemon.address)
        monkeypatch.setenv("STREAMLEARNER_TOKEN", "hunter2")
        code, out, err = ended("sleep")
        assert [asked.authorization for asked in daemon.asked] == ["Bearer hunter2"]
    assert (code, "hunter2" in out + err) == (0, False)


def test_every_command_that_asks_a_daemon_shows_its_token(ended: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("[1, 2]")
    found = {"predictions": [{"label": "a", "probability": 1.0, "route": "live"}], "model_version": "0.1"}
    answers = {"predict": found, "status": STATUS, "retention": RETENTION, "memory": MEMORY, "examples": {}}
    digits = ("--to", "push", "--limit", "3", "--set", "source.files.format=digits")
    with canned_daemon() as daemon:
        for name, body in answers.items():
            daemon.will_answer(f"/v1/{name}", body)
        for words in (("predict", "one.json"), ("status",), ("produce", *digits)):
            assert ended(*words, "-a", daemon.address, "--token", "schlüssel")[0] == 0
        assert {asked.path for asked in daemon.asked} == {f"/v1/{name}" for name in answers}
        headers = {str(asked.authorization).encode("latin-1").decode() for asked in daemon.asked}
    assert headers == {"Bearer schlüssel"}
