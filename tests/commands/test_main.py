"""The command line: what each command prints, where it prints it, and with what the process ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from streamlearner.commands import main as cli
from streamlearner.config.loading import Config

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

pytestmark = pytest.mark.usefixtures("elsewhere")


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
    monkeypatch.setattr("streamlearner.config.loading.load", crash)
    code, _, err = ended("run")
    lines = err.splitlines()
    assert code == 1
    assert lines[0].endswith("CRITICAL crashed, which is a bug: RuntimeError: [bold]the roof")
    assert lines[1] == "Traceback (most recent call last):"


def test_a_crash_is_one_line_of_json_where_logs_are_json(
    ended: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlearner.config.loading.load", crash)
    code, _, err = ended("run", "--log", "json")
    (line,) = map(json.loads, err.splitlines())
    assert (code, line["level"]) == (1, "critical")
    assert "the roof\nis on fire" in line["exception"]


def test_an_error_is_one_line_of_json_where_logs_are_json(ended: Callable[..., Any]) -> None:
    code, _, err = ended("run", "--log", "json", "-s", "seed=x")
    (line,) = map(json.loads, err.splitlines())
    assert (code, line["level"], line["message"][:20]) == (78, "error", "--set seed: expected")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("sleep.cron=0 0 31 2 *", "--set sleep.cron: expected a cron expression"),
        ("sleep.cron=0 0 30 2 *", "--set sleep.cron: expected a cron expression"),
        ("sleep.cron=R * * * *", "random fields"),
        ("source.kafka.client.fetch_min_byte=1", "did you mean 'fetch_min_bytes'?"),
        ("source.kafka.client.group_id=x", "'group_id' cannot be set"),
        ("source.kafka.client.security_protocol=TLS", "expected PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ("source.kafka.client.ssl_cafile=/absent", "'ssl_cafile' is '/absent'; expected a file"),
        ("source.kafka.client.isolation_level=dirty", "isolation_level"),
        ("source.kafka.client.fetch_max_wait_ms=99999999", "must be larger than"),
        ("source.kafka.client.request_timeout_ms=[1]", "request_timeout_ms"),
    ],
)
@pytest.mark.parametrize("command", [["config", "check"], ["run"]], ids=["check", "run"])
def test_a_check_refuses_what_a_run_refuses(
    ended: Callable[..., Any], command: list[str], setting: str, said: str, tmp_path: Path
) -> None:
    found = ended(*command, "-s", "source.type=kafka", "-s", f"state_dir={tmp_path}/state", "-s", setting)
    assert (found[0], said in " ".join(found[2].split())) == (78, True), found[2]


def test_a_check_asks_no_broker(ended: Callable[..., Any]) -> None:
    words = ["-s", "source.type=kafka", "-s", "source.kafka.bootstrap_servers=127.0.0.1:1"]
    assert ended("config", "check", *words)[:2] == (0, "the configuration is good\n")
