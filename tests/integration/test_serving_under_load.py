"""Predictions go on whatever learning does: sleeping, checkpointing, and while the broker is gone."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamlearner.decoding.inputs import wire_input
from tests.support.daemon_process import DaemonProcess
from tests.support.digit_stream import DigitStream

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PREDICTIONS, CLIENTS = 2_000, 4
VERSION = re.compile(r"\d+\.\d+")


class Client:
    """Asks for predictions one after the other, on one connection; keeps each answer and how long it took."""

    def __init__(self, port: int, bodies: list[bytes]) -> None:
        self._port = port
        self._bodies = bodies
        self.seconds: list[float] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []

    def ask(self, count: int, *, pause_s: float = 0.0) -> Client:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        for n in range(count):
            started_s = time.perf_counter()
            headers = {"content-type": "application/json"}
            connection.request("POST", "/v1/predict", self._bodies[n % len(self._bodies)], headers)
            answer = connection.getresponse()
            self.answers.append((answer.status, json.load(answer)))
            self.seconds.append(time.perf_counter() - started_s)
            time.sleep(pause_s)
        connection.close()
        return self


def shown(name: str, seconds: list[float]) -> str:
    p50, p99, most = (1000 * float(np.quantile(seconds, q)) for q in (0.5, 0.99, 1.0))
    return f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {most:.1f} ms over {len(seconds)}"


def test_two_thousand_predictions_during_learning_sleeps_checkpoints_and_a_broker_restart_all_succeed(
    broker: Any, topic: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, name = DigitStream(rounds=2), topic()
    bodies = [
        json.dumps({"inputs": [wire_input(image[None])]}).encode()
        for image in stream.images[:: len(stream.images) // 50]
    ]
    daemon = DaemonProcess(
        tmp_path,
        {
            "source": {
                "type": "kafka",
                "kafka": {"bootstrap_servers": broker.address, "topic": name, "discover_every_s": 0.5},
            },
            "memory": {"budget_bits": 20_000},
            "sleep": {"every_examples": 300, "min_examples": 100, "steps": 60, "steps_per_batch": 2},
            "checkpoint": {"every_examples": 100},
            "serving": {"refresh_every_examples": 50},
        },
    )
    stop_producing = threading.Event()

    def pace(n: int) -> None:
        stop_producing.wait(0 if stop_producing.is_set() else 0.005)

    try:
        daemon.start()
        producing = stream.produce_beside(broker.address, name, pace=pace)
        daemon.wait_until(lambda status: status["ready"])
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [Client(daemon.port, bodies) for _ in range(CLIENTS)]
            asked = [pool.submit(client.ask, PREDICTIONS // CLIENTS, pause_s=0.03) for client in clients]
            daemon.wait_until(lambda status: status["sleeps"]["adopted"] + status["sleeps"]["refused"] > 1)
            broker.kill()
            daemon.wait_until(lambda status: not status["connected"])
            while_away = sum(len(client.answers) for client in clients)
            broker.start()
            status = daemon.wait_until(lambda status: status["connected"])
            taken = status["messages"]
            for each in asked:
                each.result(timeout=120)
        stop_producing.set()
        producing.join(timeout=90)
        status = daemon.wait_until_taken(len(stream))
        with ThreadPoolExecutor(CLIENTS) as pool:
            quiet = [Client(daemon.port, bodies) for _ in range(CLIENTS)]
            asked_idle = pool.map(lambda client: client.ask(100, pause_s=0.03), quiet)
            idle = [answer for client in asked_idle for answer in client.answers]
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.close()
    busy = [answer for client in clients for answer in client.answers]
    assert len(busy) == PREDICTIONS and {code for code, _ in busy + idle} == {200}
    versions = {body["model_version"] for _, body in busy}
    assert all(VERSION.fullmatch(version) for version in versions) and len(versions) > 5, versions
    assert len({version.split(".")[0] for version in versions}) > 1, "no sleep was adopted meanwhile"
    assert 0 < while_away < PREDICTIONS and taken < len(stream), "the broker was not lost in between"
    with capsys.disabled():
        print("\n" + shown("busy", [s for client in clients for s in client.seconds]))
        print(shown("idle", [s for client in quiet for s in client.seconds]))
