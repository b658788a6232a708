"""A real daemon adopts versions while two replicas, each a process of its own, answer by them."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner.export.card import CARD, Card
from streamlearner.state.published import Published
from tests.support import forked_commands
from tests.support.daemon_process import ROOT, DaemonProcess, free_port
from tests.support.patience import Patience, cpu_seconds_of, cpu_steps

pytestmark = pytest.mark.slow
SETTINGS: dict[str, Any] = {
    "source": {"type": "push"},
    "method": {"name": "recollection_replay"},
    "memory": {"budget_bits": 20_000},
    "exam": {"budget_bits": 20_000, "fraction": 0.1},
    "sleep": {
        "every_examples": 80, "first_examples": None, "min_examples": 40, "steps": 8, "tolerance": 1.0,
        "on_memory_full": False,
    },
    "serving": {"refresh_every_examples": 10},
    "export": {"formats": ["torch"]},
}  # fmt: skip
KINDS = ["calm", "windy", "storm"]


class ReplicaProcess:
    """`streamlearner serve` of a state folder."""

    def __init__(self, folder: Path, *, of: Path) -> None:
        folder.mkdir()
        self.port, log = free_port(), folder / "log"
        words = ["serve", "--from", str(of), "--every-s", "0.05"]
        words += ["-s", f"serving.port={self.port}", "-s", "threads=1"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLEARNER_")}
        self.process = forked_commands.start(*words, folder=ROOT, environ=environ, stdout=log, stderr=log)

    def ask(self, path: str, body: Any = None) -> Any:
        """None while it does not answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except (OSError, urllib.error.URLError):
            return None

    @property
    def version(self) -> int | None:
        status = self.ask("/v1/status")
        return status and status["replica"]["version"]

    def close(self) -> int | None:
        self.process.terminate()
        self.process.join(60)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join(60)
        return self.process.exitcode


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    made = DaemonProcess(tmp_path / "daemon", SETTINGS)
    yield made
    made.close()


def readings(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Vectors of four numbers, of three kinds."""
    chance = np.random.default_rng(seed)
    kinds = np.arange(count) % 3
    inputs = chance.normal(size=(count, 4)) + 3 * kinds[:, None]
    pairs = zip(inputs.tolist(), kinds.tolist(), strict=True)
    return [{"input": row, "label": KINDS[kind]} for row, kind in pairs]


def teach(daemon: DaemonProcess, count: int, *, seed: int) -> None:
    daemon.ask("/v1/examples", {"examples": readings(count, seed=seed)})


def wait_for(holds: Any, what: str, *, daemon: DaemonProcess) -> None:
    """Exports have a process of their own, nicer than all others: whoever works, it is waited for."""
    began_s, patience = time.monotonic(), Patience()
    while not holds():
        busy = cpu_steps(daemon.cpu_s() + _exporting_s(daemon))
        if not patience.lasts(busy) and time.monotonic() - began_s > 300:
            raise AssertionError(f"{what}\n{daemon.tail()}")
        time.sleep(0.1)


def _exporting_s(daemon: DaemonProcess) -> float:
    """Seconds of a core that the daemon's export process has had; 0 where there is none."""
    assert daemon._process is not None
    listed = Path(f"/proc/{daemon._process.pid}/task").glob("*/children")
    children = [number for each in listed for number in each.read_text().split()]
    return sum(cpu_seconds_of(int(number)) for number in children if _exports(number))


def _exports(process: str) -> bool:
    try:
        return b"export_process" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def probabilities(asked: Any, inputs: list[Any]) -> tuple[str, list[dict[str, float]]]:
    answer = asked.ask("/v1/predict", {"inputs": inputs, "return": ["probabilities"]})
    return answer["model_version"], [each["probabilities"] for each in answer["predictions"]]


def test_two_replicas_answer_as_the_daemon_did_when_it_adopted_each_version(
    tmp_path: Path, daemon: DaemonProcess
) -> None:
    daemon.start()
    replicas = [ReplicaProcess(tmp_path / name, of=daemon.state_dir) for name in ("one", "two")]
    asked = [each["input"] for each in readings(60, seed=99)]
    versions = Published(daemon.state_dir / "versions")
    try:
        wait_for(lambda: can_be_asked(daemon), "the daemon answers", daemon=daemon)
        for adopted in (1, 2):
            teach(daemon, 100, seed=adopted)
            wait_for(partial(points_to, versions, adopted), f"no version {adopted}", daemon=daemon)
            for replica in replicas:
                wait_for(partial(answers_by, replica, adopted), f"no replica of {adopted}", daemon=daemon)
            names, found = zip(*(probabilities(replica, asked) for replica in replicas), strict=True)
            assert found[0] == found[1]
            assert names[0] == names[1] == card(daemon, adopted).model_version
        daemon.ask("/v1/rollback", {"version": 1})
        for replica in replicas:
            wait_for(partial(answers_by, replica, 1), "a rollback is not followed", daemon=daemon)
    finally:
        codes = [replica.close() for replica in replicas]
    assert codes == [0, 0]


def points_to(versions: Published, number: int) -> bool:
    return versions.current() == number


def answers_by(replica: ReplicaProcess, number: int) -> bool:
    return replica.version == number


def can_be_asked(daemon: DaemonProcess) -> bool:
    try:
        daemon.ask("/livez")
    except (OSError, urllib.error.URLError):
        return False
    return True


def card(daemon: DaemonProcess, version: int) -> Card:
    path = daemon.state_dir / "versions" / str(version) / CARD
    return Card.from_bytes(path.read_bytes(), where=str(path))


def test_a_daemon_that_is_killed_while_it_exports_leaves_no_half_version_and_exports_it_after_a_restart(
    tmp_path: Path,
) -> None:
    """And a publisher that fails harms nothing."""
    export = {"export": {"formats": ["torch"], "publisher": "tests.support.publishers:Broken"}}
    daemon = DaemonProcess(tmp_path / "daemon", SETTINGS | export)
    try:
        killed_and_restarted(daemon)
    finally:
        daemon.close()


def killed_and_restarted(daemon: DaemonProcess) -> None:
    daemon.start()
    wait_for(lambda: can_be_asked(daemon), "the daemon answers", daemon=daemon)
    teach(daemon, 100, seed=1)
    versions = Published(daemon.state_dir / "versions")
    wait_for(lambda: _exporting_s(daemon) > 0, "nothing is exported", daemon=daemon)
    daemon.kill()
    for number in versions.numbers():
        assert card(daemon, number).version == number
    assert versions.current() in (None, *versions.numbers())
    daemon.start()
    wait_for(lambda: versions.current() == 1, "it was not exported after the restart", daemon=daemon)
    made = card(daemon, 1)
    assert made.grades["overall"] is not None
    assert sorted(made.classes) == sorted(KINDS)
    failed = 'streamlearner_publications_total{outcome="failed"} 1.0'
    wait_for(lambda: failed in metrics_of(daemon), "no publication failed", daemon=daemon)
    assert "ConnectionError: no server takes version 1" in daemon.log.read_text()
    assert daemon.stop() == 0


def metrics_of(daemon: DaemonProcess) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=30) as answer:
        found: str = answer.read().decode()
        return found
