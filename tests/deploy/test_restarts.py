"""What Docker does with each exit code, by the script between it and the daemon."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.signals import heeded

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SCRIPT = DEPLOY / "until-a-person-looks"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


def command(shell: str) -> list[str]:
    return ["busybox", "sh", str(SCRIPT)] if shell == "busybox" else [shell, str(SCRIPT)]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("code", "seen"), [(0, 0), (1, 1), (69, 69), (70, 70), (74, 0), (78, 0)])
def test_what_a_restart_may_mend_ends_as_it_is_and_what_it_cannot_ends_with_0(
    shell: str, code: int, seen: int
) -> None:
    ended = subprocess.run(
        [*command(shell), "sh", "-c", f"exit {code}"], capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == seen
    assert ("needs a person" in ended.stderr) == (code in (74, 78))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_daemon_drain_before_the_container_ends(shell: str, number: signal.Signals) -> None:
    drains = (
        "import signal, sys, time\n"
        "def drain(*_):\n    time.sleep(0.5)\n    print('drained', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, drain)\nprint('ready', flush=True)\ntime.sleep(30)\n"
    )
    with heeded(number):
        running = subprocess.Popen(
            [*command(shell), sys.executable, "-c", drains], stdout=subprocess.PIPE, text=True
        )
    assert running.stdout is not None and running.stdout.readline() == "ready\n"
    running.send_signal(number)
    rest, _ = running.communicate(timeout=30)
    assert (running.returncode, rest) == (0, "drained\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_daemon_that_is_killed_is_a_failure(shell: str) -> None:
    ended = subprocess.run([*command(shell), "sh", "-c", "kill -KILL $$"], capture_output=True, timeout=30)
    assert ended.returncode == 128 + signal.SIGKILL


def test_compose_restarts_the_daemon_by_its_exit_code() -> None:
    daemon = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["streamlearner"]
    assert daemon["restart"] == "on-failure"
    assert daemon["entrypoint"] == ["/usr/local/bin/until-a-person-looks", "streamlearner"]
    assert "COPY deploy/until-a-person-looks /usr/local/bin/" in (DEPLOY / "Dockerfile").read_text()
