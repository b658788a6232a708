"""The command on a real Ray: learners, the consolidator and a replica, on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamlearner.app import build
from streamlearner.config.loading import load
from tests.support.clusters import make_topic, produce_digits
from tests.support.daemon_process import free_port

pytestmark = [pytest.mark.broker, pytest.mark.slow]
PARTITIONS, COUNT, PORT = 4, 300, free_port()
ALONE = 100
"""Examples that a single daemon learned before the cluster goes on."""
UNHURRIED = {"RAY_raylet_start_wait_time_s": "180", "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "90"}
"""Ray gives a node, and a proxy, few seconds to start: too few beside other tests."""


def status(config: Path) -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, "-m", "streamlearner", "cluster", "status", "--json", "--config", str(config)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return json.loads(told.stdout) if told.returncode == 0 else {}


def until(what: Callable[[], bool], *, limit_s: float = 240.0) -> None:
    end_s = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end_s, f"not within {limit_s} s"
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
    begun = ["--config", str(config), "--from", str(tmp_path / "state")]
    command = [sys.executable, "-m", "streamlearner", "cluster", "run", *begun]
    with (tmp_path / "log").open("w") as words:
        running = subprocess.Popen(command, stdout=words, stderr=words, env=os.environ | UNHURRIED)
    try:
        until(lambda: status(config).get("examples") == COUNT)
        until(lambda: predicted() is not None)
        victim = json.loads((tmp_path / "store/learners/learner-0.json").read_text())
        os.kill(victim["pid"], signal.SIGKILL)
        assert predicted() is not None, "replicas answer whatever becomes of a learner"
        until(lambda: [it["restarts"] for it in status(config)["learners"]] == [1, 0])
        until(lambda: status(config)["examples"] == COUNT and not status(config)["without_owner"])
        running.terminate()
        assert running.wait(timeout=180) == 0, (tmp_path / "log").read_text()[-2_000:]
    finally:
        running.kill()
    ends = status(config)
    assert sorted(ends["without_owner"]) == list(range(PARTITIONS)), "all were given up"
