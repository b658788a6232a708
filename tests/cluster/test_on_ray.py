"""The command on a real Ray: learners, the consolidator and a replica, on this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from streamlearner.app import build
from streamlearner.config.loading import load
from streamlearner.telemetry.cluster_series import PREFIX, SERIES
from tests.support.clusters import produce_digits
from tests.support.daemon_process import free_port
from tests.support.http_surface import SURFACE
from tests.support.kafka_topic import make_topic
from tests.support.patience import Patience, cpu_seconds_of, cpu_steps
from tests.support.processes import begun_by_this

pytestmark = [pytest.mark.broker, pytest.mark.slow]
PARTITIONS, COUNT, PORT = 4, 300, free_port()
ALONE = 100
"""Examples that a single daemon learned before the cluster goes on."""
POSTED = 3
"""Two examples and a label, to the replica."""


def status(config: Path) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, "-m", "streamlearner", "cluster", "status", "--json", "--config", str(config)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return json.loads(told.stdout) if told.returncode == 0 else {}


def until(what: Callable[[], bool], *, still_s: float = 240.0) -> None:
    """As long as some process of this machine's Ray is at work."""
    patience = Patience(still_s=still_s)
    while not what():
        assert patience.lasts(cpu_steps(sum(map(cpu_seconds_of, begun_by_this())))), str(patience)
        time.sleep(1.0)


def predicted() -> str | None:
    """The version that answers behind Ray Serve's proxy."""
    body = json.dumps({"inputs": [[[0] * 8] * 8]}).encode()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/predict", body, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return str(json.loads(answer.read())["model_version"])
    except (urllib.error.URLError, OSError):
        return None


def series(ray: Path) -> set[str]:
    """What this machine's Ray shows on its port for Prometheus."""
    (named,) = (ray / "ray/session_latest").glob("metrics_export_port_*")
    text = httpx.get(f"http://127.0.0.1:{named.read_text().strip()}/metrics").text
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}


def alone(config: Path, folder: Path) -> None:
    """A single daemon learns what there is, and ends."""
    settings = load(path=config, settings={"state_dir": folder, "serving.port": 0}, environ={})
    daemon = build(settings)
    try:
        daemon.restore()
        daemon.open()
        for _ in range(2_000):
            daemon.wake()
            if daemon.state.tally.messages == ALONE:
                break
        daemon.checkpoint()
    finally:
        daemon.close()


def test_a_cluster_learns_answers_survives_a_kill_and_drains(broker: Any, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed (the extra `cluster`)")
    topic, config = f"ray-{uuid.uuid4().hex[:8]}", tmp_path / "cluster.yaml"
    make_topic(broker, topic, partitions=PARTITIONS)
    produce_digits(broker, topic, ALONE, partitions=PARTITIONS)
    kafka = {"bootstrap_servers": broker.address, "topic": topic}
    config.write_text(
        yaml.safe_dump(
            {
                "source": {"type": "kafka", "kafka": kafka},
                "memory": {"budget_bits": "16 KiB"},
                "sleep": {"steps": 30},
                "checkpoint": {"every_examples": 20},
                "threads": 1,
                "serving": {"port": PORT},
                "cluster": {
                    "store": str(tmp_path / "store"),
                    "replicas": 1,
                    "consolidate_every_examples": 100,
                    "takeover_s": 5,
                },
            }
        )
    )
    alone(config, tmp_path / "state")
    produce_digits(broker, topic, COUNT - ALONE, partitions=PARTITIONS, first=ALONE)
    ray = Path(tempfile.mkdtemp(prefix="ray-"))  # in no long path: Ray has sockets in it
    begun = ["--config", str(config), "--from", str(tmp_path / "state")]
    command = [sys.executable, "-m", "streamlearner", "cluster", "run", *begun]
    with (tmp_path / "log").open("w") as words:
        running = subprocess.Popen(
            command, stdout=words, stderr=words, env=os.environ | {"RAY_TMPDIR": str(ray)}
        )
    try:
        until(lambda: status(config).get("examples") == COUNT)
        until(lambda: predicted() is not None)
        victim = json.loads((tmp_path / "store/learners/learner-0.json").read_text())
        os.kill(victim["pid"], signal.SIGKILL)
        assert predicted() is not None, "replicas answer whatever becomes of a learner"
        until(lambda: [it["restarts"] for it in status(config)["learners"]] == [1, 0])
        until(lambda: status(config)["examples"] == COUNT and not status(config)["without_owner"])
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=60.0) as client:
            for check in SURFACE:
                check(client)
        until(lambda: status(config)["examples"] == COUNT + POSTED)
        assert series(ray) >= {f"ray_{PREFIX}{each.name}" for each in SERIES}
        running.terminate()
        assert running.wait(timeout=180) == 0, (tmp_path / "log").read_text()[-2_000:]
    finally:
        running.kill()
        shutil.rmtree(ray, ignore_errors=True)
    ends = status(config)
    assert sorted(ends["without_owner"]) == list(range(PARTITIONS)), "all were given up"
