"""The demo's Kafka: the one that the tests use, where it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 300
OWN = "Name one of your own (deploy/compose.yaml has one): make demo-cluster ARGS='--broker 127.0.0.1:29092'"


class NoBroker(Exception):
    """What is missing, and what to do."""


def script() -> Path:
    """What starts a broker. Raises NoBroker."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    found = Path(os.environ.get("STREAMLEARNER_SHARED", beside)) / "kafka" / "broker"
    if not found.exists():
        raise NoBroker(f"there is no Kafka at {found}. {OWN}")
    if shutil.which("java") is None:
        raise NoBroker(f"Kafka needs Java 17 or newer, and java is not on the PATH. {OWN}")
    return found


@contextmanager
def a_broker(data: Path) -> Iterator[str]:
    """Its address; ended with its data at the end. Raises NoBroker."""
    command = [sys.executable, str(script())]
    try:
        yield _started([*command, "start", str(data)])
    finally:
        subprocess.run([*command, "stop", str(data), "--kill"], capture_output=True, check=False)


def _started(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NoBroker(f"Kafka did not start within {error.timeout:g} s. {OWN}") from None
    if done.returncode:
        raise NoBroker(f"Kafka did not start: {(done.stderr or done.stdout).strip()}. {OWN}")
    return done.stdout.splitlines()[0]
