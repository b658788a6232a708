"""The command line with a daemon of its own: a process that is started, fed, asked and drained."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import create_server

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from streamlearner.client import NO_RETRIES, Client
from streamlearner.commands import main as cli
from streamlearner.errors import CheckpointError, StateInUse, StreamlearnerError
from streamlearner.state.lock import StateLock
from tests.support import forked_commands

TIMEOUT_S = 60.0
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {name: text for name, text in os.environ.items() if not name.startswith("STREAMLEARNER_")}
ENVIRONMENT |= {"PYTHONPATH": str(ROOT)}


def command(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """One command to its end, in `folder`."""
    return forked_commands.completed(*words, folder=folder, environ=ENVIRONMENT, timeout_s=TIMEOUT_S)


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Running:
    folder: Path
    address: str
    process: subprocess.Popen[str]

    def ask(self, *words: str) -> str:
        done = command(*words, "--address", self.address, folder=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_for_examples(self, count: int) -> None:
        client, deadline = Client(self.address, retries=NO_RETRIES), time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                status = client.status()
                if "messages" in status and status["messages"] >= count:  # while it starts, it tells less
                    return
            except StreamlearnerError:
                assert self.process.poll() is None, "the daemon ended while it started"
            time.sleep(0.1)
        raise AssertionError(f"{count} examples were not taken within {TIMEOUT_S:g} s")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`streamlearner run` on its default source, in a folder of its own; killed at the end."""
    folder, port = tmp_path_factory.mktemp("daemon"), free_port()
    words = ["run", "--log", "json", "--set", f"serving.port={port}", "--set", "daemon.linger_s=0.1"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlearner.commands.main", *words, "--set", "threads=1"],
            cwd=folder, env=ENVIRONMENT, stderr=log, text=True,
        )  # fmt: skip
        running = Running(folder, f"http://127.0.0.1:{port}", process)
        try:
            running.wait_for_examples(0)
            yield running
        finally:
            process.kill()
            process.wait()


def test_what_is_produced_is_learned_predicted_and_remembered(daemon: Running) -> None:
    sent = daemon.ask("produce", "--to", "push", "--limit", "150", "--set", "source.files.format=digits")
    assert sent.startswith("sent 150 examples in ")
    daemon.wait_for_examples(150)
    image = np.zeros((8, 8), np.uint8)
    Image.fromarray(image).save(daemon.folder / "dark.png")
    (daemon.folder / "dark.json").write_text(json.dumps(image.tolist()))
    lines = daemon.ask("predict", "dark.png", "dark.json").splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["dark.png", "dark.json"]
    assert lines[1].split()[1:] == lines[2].split()[1:]
    status = json.loads(daemon.ask("status", "--json"))
    examples = status["status"]["examples"]
    assert examples["learned"] + examples["withheld"] == 150
    assert 0 < status["memory"]["recollections"] <= 150
    assert "150" in "".join(daemon.ask("status").split()) or examples["withheld"] > 0
    assert "asked for a sleep" in daemon.ask("sleep")


def test_a_second_daemon_on_the_same_state_is_refused(daemon: Running) -> None:
    done = command("run", "--set", "serving.port=0", folder=daemon.folder)
    assert done.returncode == 1
    assert f"is in use by process {daemon.process.pid}" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_drains_and_ends_with_0(daemon: Running) -> None:
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=TIMEOUT_S) == 0
    lines = [json.loads(line) for line in (daemon.folder / "log").read_text().splitlines()]
    assert lines[0]["message"].startswith("streamlearner 0.1.0: source push")
    assert lines[-1]["message"].startswith("drained after ")


# checkpoints on disk


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state that a finite source leaves when it was learned to its end."""
    folder = tmp_path_factory.mktemp("drained")
    settings = ["source.type=files", "source.files.format=digits", "daemon.at_end=exit", "serving.port=0"]
    settings += [
        "method.name=finetune",
        "sleep.every_examples=null",
        "threads=1",
        "checkpoint.every_examples=900",
    ]
    done = command("run", *[word for setting in settings for word in ("--set", setting)], folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].endswith("drained after 1797 messages")
    return folder


@pytest.fixture
def state(drained: Path, tmp_path: Path) -> Path:
    """A folder with a copy of that state, to be altered."""
    shutil.copytree(drained / "state", tmp_path / "state")
    return tmp_path


def look_after(state: Path, *words: str) -> Result:
    """A `checkpoint` command, in this process: none of these needs one of its own."""
    return CliRunner().invoke(cli.app, ["checkpoint", *words, "--set", f"state_dir={state / 'state'}"])


def test_checkpoints_are_listed_and_verified(state: Path) -> None:
    listed = [line.split() for line in look_after(state, "list").output.splitlines()]
    assert [(line[0], line[-1]) for line in listed[1:]] == [("1", "good"), ("2", "good")]
    assert look_after(state, "verify").output == "1: good\n2: good\n"


def test_a_rollback_makes_an_earlier_checkpoint_the_newest(state: Path) -> None:
    back = look_after(state, "rollback", "1")
    assert (back.exit_code, "checkpoint 1 is the newest now" in back.output) == (0, True)
    assert look_after(state, "verify").output == "1: good\n"
    absent = look_after(state, "rollback", "9").exception
    assert isinstance(absent, CheckpointError)
    assert "there is no checkpoint 9" in str(absent)


def test_a_rollback_waits_for_nobody_while_a_daemon_runs(state: Path) -> None:
    with StateLock(state / "state"):
        assert isinstance(look_after(state, "rollback", "1").exception, StateInUse)
    assert look_after(state, "verify").output == "1: good\n2: good\n"


def test_a_torn_checkpoint_is_found_and_named(state: Path) -> None:
    tear(state / "state" / "checkpoints" / f"{2:012}" / "manifest.json")
    found = look_after(state, "verify")
    lines = found.output.splitlines()
    assert (found.exit_code, lines[0], lines[1][:3], lines[1] == "2: good") == (1, "1: good", "2: ", False)


def test_where_all_checkpoints_are_torn_the_daemon_does_not_begin_anew(state: Path) -> None:
    for manifest in (state / "state" / "checkpoints").glob("*/manifest.json"):
        tear(manifest)
    done = command("run", "--log", "json", "--set", "serving.port=0", folder=state)
    assert done.returncode == 74
    assert "can be read" in [json.loads(line) for line in done.stderr.splitlines()][-1]["message"]


def tear(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def test_a_broker_that_is_not_there_ends_with_69_and_its_address(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    settings = ["source.type=kafka", "source.kafka.start_timeout_s=1", "serving.port=0"]
    settings.append(f"source.kafka.bootstrap_servers={address}")
    done = command("run", *[word for setting in settings for word in ("--set", setting)], folder=tmp_path)
    assert done.returncode == 69, done.stderr
    assert address in done.stderr.splitlines()[-1]
