"""A configuration that cannot be used: what is said about it, and that no secret is said with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from streamlearner.config.loading import load, parse_settings
from streamlearner.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def refusal(
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path=file, environ=environ or {}, settings=flags)
    return str(caught.value)


def test_an_unknown_key_names_the_nearest_one_and_its_line(file: Path) -> None:
    file.write_text("seed: 1\nsource:\n  kafka:\n    topik: x\n")
    said = refusal(file=file)
    assert f"{file}:4: source.kafka.topik: no such setting; did you mean source.kafka.topic?" in said


def test_an_unknown_name_of_the_environment_is_answered_in_its_own_spelling() -> None:
    said = refusal(environ={"STREAMLEARNER_SLEEP_STEPS": "3"})
    assert "environment STREAMLEARNER_SLEEP_STEPS" in said
    assert "did you mean STREAMLEARNER_SLEEP__STEPS?" in said


def test_an_unknown_flag_names_the_nearest_key() -> None:
    assert "--set memory.budget: no such setting; did you mean memory.budget_bits?" in refusal(
        flags={"memory.budget": "1"}
    )


@pytest.mark.parametrize("key", ["threads", "cluster.learners"])
def test_more_threads_or_processes_than_any_machine_starts_are_refused(key: str) -> None:
    assert f"{key}: expected a whole number of at least 1 and at most 1024" in refusal(flags={key: 100_000})
    load(path=None, environ={}, settings={key: 1_024})


def test_every_problem_is_reported_at_once(file: Path) -> None:
    file.write_text("seed: x\nexam: {fraction: 2.0}\nmethod: 5\n")
    said = refusal(file=file, environ={"STREAMLEARNER_SEEED": "1"}, flags={"serving.port": "eighty"})
    assert said.startswith("5 problems in the configuration:")
    assert "1: seed: expected a whole number of at least 0, found the text 'x'; for example 0" in said
    assert "2: exam.fraction: expected a number of at least 0 and at most 1, found 2.0" in said
    assert "3: method: expected a section with settings, found 5" in said
    assert "--set serving.port: expected a whole number of at least 0 and at most 65535" in said


WRONG = {
    "sleep: {every_examples: yes}": "of at least 1, or null, found the text 'yes'; for example 5000",
    "sleep: {every_examples: true}": "found true",
    "sleep: {on_memory_full: yes}": "expected true or false, found the text 'yes': write true",
    "sleep: {cron: every night}": "expected a cron expression such as '0 3 * * *'",
    "source: {kafka: {topic: 12}}": "expected text, found 12: put it in quotes",
    "source: {type: kafak}": "push, kafka, files or memory, found the text 'kafak': did you mean kafka?",
    "source: {type: files}": "source.files.path to be set",
    "memory: {budget_bits: 64 Kb}": "an amount of bits such as 64 KiB",
    "memory: {budget_bits: 0.3 bits}": "a whole number of bits",
    "memory: {budget_bits: -1}": "a whole number of at least 0, found -1",
    "method: {scaling: 1.0}": "a number of at least 0 and below 1, or null, found 1.0",
    "source: {kafka: {client: [1]}}": "expected a map of options",
    "threads: 012": "found the text '012'",
    "sleep: {every_s: 12:30}": "found the text '12:30'",
    "serving: {token: ''}": "serving.token",
    "serving: {open_roles: [reed]}": "a list of 'predict', 'teach', 'read' or 'operate', found",
    "serving: {open_roles: 3}": "expected a list, found 3",
    "daemon: {batch_size: 0}": "daemon.batch_size: expected a whole number or auto of at least 1, found 0",
    "daemon: {batch_size: none}": "expected a whole number or auto of at least 1, found the text 'none'",
    "codec: {fields: {shape: [0]}}": "of whole numbers, found 0",
    "source: {kafka: {partitions: [-1]}}": "of whole numbers, found -1",
    "serving: {token_files: {read: [3]}}": "expected a list of texts, found 3",
    "serving: {allowed_hosts: 'http://a'}": "without scheme and port, such as streamlearner; 'h",
    "serving: {allowed_hosts: [a, 'b:80']}": "'b:80' is none",
    "serving: {cors_origins: '*'}": "origins such as https://labels.example.org, without a path; '*' is none",
    "serving: {cors_origins: [https://a/b]}": "'https://a/b' is none",
}


@pytest.mark.parametrize("written", WRONG)
def test_a_wrong_value_tells_what_was_found_and_expected(file: Path, written: str) -> None:
    file.write_text(written)
    said = refusal(file=file)
    assert WRONG[written] in said
    assert said.startswith(f"{file}:1: ")


def test_yaml_that_means_something_else_to_others_means_what_it_says(file: Path) -> None:
    file.write_text("source: {kafka: {topic: no, bootstrap_servers: on}}\nmethod: {learning_rate: 1e-3}\n")
    found = load(path=file, environ={})
    assert (found.source.kafka.topic, found.source.kafka.bootstrap_servers) == ("no", "on")
    assert found.method.learning_rate == 0.001


BROKEN = {
    "seed: 1\nsleep:\n  steps: 1\n  steps: 2\n": ":4: sleep.steps is set twice, first in line 3",
    "seed: 1\nseed: 1\n": ":2: seed is set twice, first in line 1",
    "sleep: [": "is no valid YAML",
    "- seed\n": "expected sections with settings",
    "? [a]\n: 1\n": "a key is a list",
    "a: &x {b: *x}": "sections are at most 8 deep",
    "seed: \x01": "characters that YAML does not allow",
    "!!python/object/apply:os.getcwd []": ":1: ",
}


@pytest.mark.parametrize("written", BROKEN)
def test_a_broken_file_is_refused_with_its_place(file: Path, written: str) -> None:
    file.write_text(written)
    said = refusal(file=file)
    assert BROKEN[written] in said
    assert str(file) in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = refusal(file=tmp_path / "absent.yaml")
    assert "absent.yaml: cannot be read (No such file or directory); check the path given to --config" in said


def test_an_empty_variable_is_no_value() -> None:
    assert "STREAMLEARNER_SERVING__PORT: is empty" in refusal(environ={"STREAMLEARNER_SERVING__PORT": ""})


def test_a_flag_without_a_value_is_answered_with_an_example_and_without_its_secret() -> None:
    with pytest.raises(ConfigError, match=r"--set serving\.token: has no `=`; expected key=value") as caught:
        parse_settings(["serving.token:hunter2"])
    assert "hunter2" not in str(caught.value)


# secrets


def test_no_secret_is_ever_in_an_error(file: Path) -> None:
    file.write_text(
        "serving: {token: [hunter2]}\n"
        "source:\n  kafka:\n    client: hunter2\n"
        "dead_letters: {token: hunter2}\n"
    )
    said = refusal(file=file, environ={"STREAMLEARNER_SOURCE__KAFKA__PASSWORD": "hunter2"})
    assert said.startswith("4 problems")
    assert "hunter2" not in said
    file.write_text("serving: {token: hunter2")
    assert "hunter2" not in refusal(file=file)


def test_secrets_are_masked_where_the_configuration_is_shown() -> None:
    flags = {
        "serving.token": "hunter2",
        "serving.token_files.read": "/run/tokens",
        "source.kafka.client": {"sasl_plain_password": "hunter2", "sasl_plain_username": "alice"},
    }
    shown = load(path=None, environ={}, settings=flags).shown()
    assert "hunter2" not in json.dumps(shown)
    assert shown["serving"]["token"] == "********"
    assert shown["serving"]["make_token"] is False
    assert shown["serving"]["token_files"]["read"] == ["/run/tokens"]
    assert shown["source"]["kafka"]["client"]["sasl_plain_username"] == "alice"


def test_a_secret_may_be_in_a_file(tmp_path: Path, file: Path) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    file.write_text(f"serving: {{token: {{file: {tmp_path / 'token'}}}}}")
    assert load(path=file, environ={}).serving.token == "hunter2"
    environ = {"STREAMLEARNER_SERVING__TOKEN__FILE": str(tmp_path / "token")}
    assert load(path=None, environ=environ).serving.token == "hunter2"


def test_a_secret_file_that_is_not_there_is_named(file: Path) -> None:
    file.write_text("source: {kafka: {client: {sasl_plain_password: {file: /absent/password}}}}")
    said = refusal(file=file)
    assert "sasl_plain_password to be a secret in a readable file; /absent/password: No such file" in said


def test_a_secret_that_looks_like_a_number_stays_a_text() -> None:
    environ = {
        "STREAMLEARNER_SERVING__TOKEN": "0123",
        "STREAMLEARNER_SOURCE__KAFKA__CLIENT__SASL_PLAIN_PASSWORD": "true",
    }
    found = load(path=None, environ=environ)
    assert found.serving.token == "0123"
    assert found.source.kafka.client == {"sasl_plain_password": "true"}
