"""Where `cluster.replicas` are bounds, a real Ray Serve makes more replicas while requests are under way."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamlearner.cluster.status import status_document
from streamlearner.cluster.store import Store
from tests.chaos_cluster.nodes import a_head
from tests.support.daemon_process import free_port
from tests.support.patience import Patience, cpu_seconds_of, cpu_steps
from tests.support.processes import begun_by_this
from tests.support.published import published

pytestmark = pytest.mark.slow
LEAST, MOST, HELD = 1, 2, 4
"""Replicas; and requests under way at once, of which each replica is to have one."""
HELD_S, TIMEOUT_S, STILL_S = 8.0, 60.0, 180.0
DRIVER = """
import sys, ray
from ray import serve
from streamlearner.cluster.replicas import application
ray.init()
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
serve.run(application({"config": sys.argv[1]}), name="streamlearner", route_prefix="/")
sys.stdin.read()
serve.shutdown()
"""
"""What Ray Serve does with the import path of deploy/kuberay/replicas.yaml; it ends with its input."""


def until(what: Callable[[], Any], log: Path) -> Any:
    """While some process of this Ray is at work; never for long."""
    patience = Patience(still_s=STILL_S)
    while not (found := what()):
        assert patience.lasts(cpu_steps(sum(map(cpu_seconds_of, begun_by_this())))), log.read_text()[-2_000:]
        time.sleep(0.5)
    return found


def asked(port: int, *, held_s: float) -> bool:
    """Whether a prediction is answered whose last byte is sent after `held_s`: it is under way so long, and
    takes no core meanwhile."""
    body = json.dumps({"inputs": [[[0] * 8] * 8]}).encode()
    head = f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as to:
            to.sendall(head.encode() + body[:-1])
            time.sleep(held_s)
            to.sendall(body[-1:])
            with to.makefile("rb") as answer:
                return b" 200 " in answer.readline() and b"predictions" in answer.read()
    except OSError:
        return False


class Load:
    """HELD requests under way, all the time, until `stop`."""

    def __init__(self, port: int) -> None:
        self.answered: list[bool] = []
        self._port, self._stopping = port, threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(HELD)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.answered.append(asked(self._port, held_s=HELD_S))

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(HELD_S + TIMEOUT_S)


def test_replicas_grow_to_their_upper_bound_while_requests_are_under_way(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed (the extra `cluster`)")
    store, port, log = Store(tmp_path / "store"), free_port(), tmp_path / "log"
    published(store)
    cluster = {"store": str(store.folder), "replicas": {"min": LEAST, "max": MOST}, "replica_requests": 1}
    (tmp_path / "cluster.yaml").write_text(
        yaml.safe_dump(
            {
                "source": {"type": "kafka", "kafka": {"bootstrap_servers": f"127.0.0.1:{free_port()}"}},
                "memory": {"budget_bits": "16 KiB"},
                "threads": 1,
                "labels": {"budget_bits": 0},
                "state_dir": str(tmp_path / "state"),
                "cluster": cluster,
            }
        )
    )
    node = a_head(cpus=MOST)
    with log.open("w") as words:
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path / "cluster.yaml"), str(port)],
            stdin=subprocess.PIPE, stdout=words, stderr=words, env=os.environ | {"RAY_ADDRESS": node.address},
        )  # fmt: skip
    try:
        until(lambda: asked(port, held_s=0.0), log)
        assert [it["version"] for it in status_document(store)["replicas"]] == [1] * LEAST
        load = Load(port)
        until(lambda: len(status_document(store)["replicas"]) == MOST, log)
        load.stop()
        assert load.answered and all(load.answered)
    finally:
        driver.kill()
        driver.wait()
        node.shutdown()
