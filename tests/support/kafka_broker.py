"""A real Apache Kafka broker out of the shared folder: found, started, stopped, killed and started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 90
USER, PASSWORD = "alice", "secret"
SETTINGS = (
    "auto.create.topics.enable=false",
    "sasl.enabled.mechanisms=PLAIN",
    "listener.name.sasl_plaintext.plain.sasl.jaas.config="
    f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
)


class NoBroker(Exception):
    """There is none to be had: what is missing."""


@dataclass(frozen=True)
class Broker:
    """Its data live in `data`: stopped or killed and started again, it keeps its address."""

    script: Path
    data: Path
    address: str
    sasl_address: str

    def start(self) -> None:
        command(self.script, "start", self.data)

    def stop(self) -> None:
        command(self.script, "stop", self.data)

    def kill(self) -> None:
        command(self.script, "stop", self.data, "--kill")

    def segment(self, topic: str, partition: int = 0) -> Path:
        """The only log segment of a small topic: what a test may damage while the broker is stopped."""
        (path,) = (self.data / "log" / f"{topic}-{partition}").glob("*.log")
        return path


def shared_folder() -> Path:
    """Beside the repository, or where STREAMLEARNER_SHARED says."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    return Path(os.environ.get("STREAMLEARNER_SHARED", beside))


def broker_script() -> Path:
    """What starts a broker. Raises NoBroker."""
    script = shared_folder() / "kafka" / "broker"
    if not script.exists():
        raise NoBroker(f"there is no Kafka at {script}")
    if shutil.which("java") is None:
        raise NoBroker("Kafka needs Java 17 or newer, and java is not on the PATH")
    return script


def command(script: Path, *arguments: str | Path, timeout_s: float = START_TIMEOUT_S) -> list[str]:
    """Lines that it printed. Raises RuntimeError where it failed, or took longer."""
    words = [sys.executable, script, *arguments]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"broker {arguments[0]}: not done within {timeout_s:g} s") from None
    if done.returncode != 0:
        raise RuntimeError(f"broker {arguments[0]}: {done.stderr or done.stdout}")
    return done.stdout.splitlines()


@contextmanager
def running_broker(data: Path, *, timeout_s: float = START_TIMEOUT_S) -> Iterator[Broker]:
    """With a SASL listener beside the plain one. `data`, a folder, is gone afterwards. Raises NoBroker, and
    RuntimeError where it does not start."""
    script, settings = broker_script(), [part for setting in SETTINGS for part in ("--set", setting)]
    begin = ("start", data, "--listener", "SASL_PLAINTEXT", *settings)
    try:
        plain, sasl = command(script, *begin, timeout_s=timeout_s)
        yield Broker(script, data, address=plain, sasl_address=sasl.split()[1])
    finally:  # one that did not start in time is ended, too
        command(script, "stop", data, "--kill")
        shutil.rmtree(data, ignore_errors=True)
