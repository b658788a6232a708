"""The command line: what each command prints, where it prints it, and with what the process ends."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from streamlearner import cli
from streamlearner.config import Config
from tests.canned_daemon import canned_daemon

COMMANDS = [
    "run",
    "demo",
    "produce",
    "predict",
    "status",
    "sleep",
    "transplant",
    "plan",
    "checkpoint",
    "config",
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the config.yaml of the repository or the settings of whoever runs it."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("STREAMLEARNER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """Runs `main` in this process: (exit code, stdout, stderr). Logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["streamlearner", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        code = end.value.code
        out, err = capsys.readouterr()
        return code if isinstance(code, int) else 0, out, err

    root.handlers.clear()
    yield run
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


# without a daemon


def test_help_lists_every_command_and_the_exit_codes() -> None:
    said = " ".join(CliRunner().invoke(cli.app, ["--help"]).output.split())
    assert [command for command in COMMANDS if f" {command} " not in said] == []
    assert "69 broker unreachable at start-up" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    found = CliRunner().invoke(cli.app, [command, "--help"])
    assert (found.exit_code, "Usage" in found.output) == (0, True)


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(cli.app, ["--version"]).output == "streamlearner 0.1.0\n"


@pytest.mark.parametrize("words", [["runn"], ["run", "--fast"], ["produce", "--to", "pigeon"], ["predict"]])
def test_wrong_usage_ends_with_2(ended: Callable[..., Any], words: list[str]) -> None:
    assert ended(*words)[0] == 2


def test_a_bad_configuration_ends_with_78_and_says_what_to_mend(ended: Callable[..., Any]) -> None:
    code, out, err = ended("config", "check", "--set", "sleep.stepz=3")
    assert (code, out) == (78, "")
    assert err.startswith("error: --set sleep.stepz: no such setting; did you mean sleep.steps?")


def test_the_file_of_the_folder_is_read_unless_another_is_named(
    ended: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seed(*words: str) -> int:
        code, out, _ = ended("config", "show", *words)
        assert code == 0
        return int(yaml.safe_load(out)["seed"])

    assert seed() == 0
    (tmp_path / "config.yaml").write_text("seed: 1")
    (tmp_path / "other.yaml").write_text("seed: 2")
    (tmp_path / "third.yaml").write_text("seed: 3")
    assert (seed(), seed("-c", "other.yaml"), seed("-c", "other.yaml", "-s", "seed=4")) == (1, 2, 4)
    monkeypatch.setenv("STREAMLEARNER_CONFIG", "third.yaml")
    assert (seed(), seed("-c", "other.yaml")) == (3, 2)
    monkeypatch.setenv("STREAMLEARNER_SEED", "5")
    assert seed() == 5


def test_what_is_shown_can_be_read_back_and_masks_secrets(ended: Callable[..., Any], tmp_path: Path) -> None:
    out = ended("config", "show", "-s", "serving.token=hunter2")[1]
    assert "hunter2" not in out
    (tmp_path / "shown.yaml").write_text(out)
    assert ended("config", "check", "-c", "shown.yaml")[:2] == (0, "the configuration is good\n")


def test_the_schema_is_json(ended: Callable[..., Any]) -> None:
    assert json.loads(ended("config", "schema")[1]) == Config.model_json_schema()


def test_a_state_folder_without_checkpoints_is_named(ended: Callable[..., Any], tmp_path: Path) -> None:
    code, _, err = ended("checkpoint", "list", "-s", "state_dir=nowhere")
    assert (code, f"there are no checkpoints in {tmp_path}/nowhere/checkpoints" in err) == (78, True)
    assert not (tmp_path / "nowhere").exists()


def crash(**_: object) -> Config:
    raise RuntimeError("[bold]the roof\nis on fire")


def test_a_crash_is_one_clear_line_and_a_traceback(
    ended: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlearner.config.load", crash)
    code, _, err = ended("run")
    lines = err.splitlines()
    assert code == 1
    assert lines[0].endswith("CRITICAL crashed, which is a bug: RuntimeError: [bold]the roof")
    assert lines[1] == "Traceback (most recent call last):"


def test_a_crash_is_one_line_of_json_where_logs_are_json(
    ended: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlearner.config.load", crash)
    code, _, err = ended("run", "--log", "json")
    (line,) = map(json.loads, err.splitlines())
    assert (code, line["level"]) == (1, "critical")
    assert "the roof\nis on fire" in line["exception"]


def test_an_error_is_one_line_of_json_where_logs_are_json(ended: Callable[..., Any]) -> None:
    code, _, err = ended("run", "--log", "json", "-s", "seed=x")
    (line,) = map(json.loads, err.splitlines())
    assert (code, line["level"], line["message"][:20]) == (78, "error", "--set seed: expected")


# against canned answers

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
    for told in (
        "version 4.12345 of recollection_replay, asleep", "1 d 2 h", "12,345 learned, 20 withheld, 3",
        "2 label, 1 [bold]", "5 messages in 1 of 2 partitions", "90.0% of 20 exam examples",
        "2.0%, backward transfer -1.0%", "500,000 of 524,288 bits in 4,000 recollections", "40.5 bits",
        "4 adopted, 1 refused", "[red]cat  ", "80.0%",
    ):  # fmt: skip
        assert told in out
    assert "trouble" not in out


def test_status_puts_troubles_into_words(ended: Callable[..., Any]) -> None:
    bad = STATUS | {"connected": False, "gaps": 7, "waiting_for_checkpoint": True}
    out = status_of(ended, status=bad)[1]
    assert out.count("trouble") == 3
    assert "7 messages were gone before they could be read" in out


def test_status_of_a_daemon_that_learned_nothing_yet_is_no_error(ended: Callable[..., Any]) -> None:
    nothing = {"overall": None, "by_class": {}, "forgetting": None, "backward_transfer": None, "exam": 0}
    code, out, _ = status_of(ended, status=STATUS | {"prequential_accuracy": None}, retention=nothing)
    assert (code, out.count("not yet measured")) == (0, 3)


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
