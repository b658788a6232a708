"""The real daemon in a process of its own: started, asked, killed, stopped and started again by a test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import yaml

from streamlearner.state.checkpoint import Checkpoint, CheckpointStore
from tests.support import forked_commands
from tests.support.patience import Patience, cpu_seconds_of, cpu_steps

ROOT = Path(__file__).resolve().parents[2]
END_S = 300.0
"""For a process that was told to end; it drains within seconds where a core is free."""


class DaemonProcess:
    """`streamlearner run` on the state folder `folder`/state; the same object starts it again."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.state_dir = folder / "state"
        self.port = free_port()
        self.log = folder / "log"
        self._config = folder / "config.yaml"
        # precision auto measures, so that two first starts may choose differently
        own = {"state_dir": str(self.state_dir), "threads": 1, "precision": "fp32"}
        served = {"serving": settings.get("serving", {}) | {"port": self.port}}
        self._config.write_text(yaml.safe_dump(settings | own | served))
        self._process: ForkServerProcess | None = None

    def start(self, *more: str) -> DaemonProcess:
        """`more` are settings, key=value."""
        settings = [word for setting in more for word in ("--set", setting)]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLEARNER_")}
        words = ["run", "--config", str(self._config), *settings]
        self._process = forked_commands.start(
            *words, folder=ROOT, environ=environ, stdout=self.log, stderr=self.log
        )
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None and self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait_for_end()

    def stop(self) -> int:
        """Asks it to drain; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait_for_end()

    def wait_for_end(self) -> int:
        assert self._process is not None
        self._process.join(END_S)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("streamlearner run", END_S)
        return code

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.exitcode is None

    def close(self) -> None:
        """Leaves no process behind, whatever a test did."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.kill()

    def ask(self, path: str, body: Any = None, *, timeout_s: float = 30.0) -> Any:
        """GET, or POST with a JSON body. Raises URLError without an answer, HTTPError where it refuses."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return json.load(answer)

    def status(self) -> dict[str, Any] | None:
        """/v1/status; None while nothing answers or nothing was published."""
        try:
            found: dict[str, Any] = self.ask("/v1/status")
        except (OSError, urllib.error.URLError):
            return None
        return found if "messages" in found else None

    def wait_until(
        self, reached: Callable[[dict[str, Any]], bool], *, every_s: float = 0.02
    ) -> dict[str, Any]:
        """The first status for which `reached` holds; waits while the daemon works."""
        patience, last = Patience(), None
        while patience.lasts(work_done(last), cpu_steps(self.cpu_s())):
            status = self.status()
            if status is not None and reached(status):
                return status
            if not self.running:
                raise AssertionError(f"the daemon ended by itself:\n{self.tail()}")
            last = status or last
            time.sleep(every_s)
        raise AssertionError(f"{patience}; the last status was {last}\n{self.tail()}")

    def wait_until_taken(self, messages: int) -> dict[str, Any]:
        """All messages were taken and the last sleep has ended."""
        return self.wait_until(lambda status: status["messages"] >= messages and not status["asleep"])

    def cpu_s(self) -> float:
        """Seconds of a core that the process has had; 0 once it has ended."""
        assert self._process is not None and self._process.pid is not None
        return cpu_seconds_of(self._process.pid)

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])

    def newest(self) -> Checkpoint:
        found = CheckpointStore(self.state_dir / "checkpoints", keep=3, clock=time.time).latest()
        assert found is not None, "no checkpoint was written"
        return found

    def dead_letters(self) -> list[tuple[int, int, str]]:
        """(partition, offset, reason) of each, in the order of the files."""
        lines = [
            json.loads(line)
            for path in sorted((self.state_dir / "dead-letters").glob("*"))
            for line in path.read_text().splitlines()
        ]
        return [(line["partition"], line["offset"], line["reason"]) for line in lines]


def final_state(daemon: DaemonProcess) -> dict[str, Any]:
    """All that the newest checkpoint and the versions beside it hold, by name; equal where byte-equal."""
    found = daemon.newest()
    state: dict[str, Any] = {
        f"{file}/{key}": (str(tensor.dtype), tuple(tensor.shape), tensor.numpy().tobytes())
        for file, tensors in found.tensors.items()
        for key, tensor in tensors.items()
    }
    state |= {f"facts/{name}": json.dumps(value, sort_keys=True) for name, value in found.facts.items()}
    versions = sorted((daemon.state_dir / "versions").glob("*.safetensors"))
    state |= {f"versions/{path.name}": path.read_bytes() for path in versions}
    return state | {"position": found.manifest.position, "examples": found.manifest.examples}


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names under which two final states do not hold the same bytes."""
    names = one.keys() | other.keys()
    return sorted(name for name in names if one.get(name) != other.get(name))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def work_done(status: dict[str, Any] | None) -> tuple[Any, ...]:
    """What changes in /v1/status while the daemon works."""
    return () if status is None else tuple(status[name] for name in ("messages", "model_version", "sleeps"))
