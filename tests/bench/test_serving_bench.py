"""`bench run serving`: clients in a closed loop, and servers in processes of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streamlearner.bench.experiments.serving import SERVING
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.results import Row
from streamlearner.bench.served import mlserver_model
from streamlearner.bench.served.load import figures, post, run
from streamlearner.bench.served.pictures import body, protocol_body
from streamlearner.networks.by_name import lenet
from tests.support.tiny_bench import TinyBench

REQUEST = post("/v1/predict", body(), "localhost")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def server(status: int = 200) -> Iterator[tuple[int, list[bytes]]]:
    """Its port, and the bodies that came."""
    bodies: list[bytes] = []
    kind = type("Handler", (Handler,), {"status": status, "bodies": bodies})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found.server_address[1], bodies
        found.shutdown()
        thread.join()


def test_each_client_sends_its_next_request_once_it_has_its_answer() -> None:
    with server() as (port, bodies):
        found = run("127.0.0.1", port, REQUEST, connections=3, seconds=0.3)
    assert 3 < found["requests"] <= len(bodies) <= found["requests"] + 3
    assert found["failed"] == 0
    assert set(bodies) == {body()}


def test_a_rate_is_not_exceeded() -> None:
    with server() as (port, _):
        found = run("127.0.0.1", port, REQUEST, connections=2, seconds=0.5, rate=40.0)
    assert 10 <= found["requests"] <= 20


def test_answers_that_refuse_are_counted_as_failed() -> None:
    with server(503) as (port, _):
        found = run("127.0.0.1", port, REQUEST, connections=1, seconds=0.1)
    assert found["failed"] == found["requests"] > 0


def test_the_slowest_in_a_hundred_is_told_apart_from_the_usual() -> None:
    took = [0.001] * 98 + [0.5, 1.0]
    assert figures(took, failed=0, spent=1.0) == {
        "requests": 100, "failed": 0, "seconds": 1.0, "p50_ms": 1.0, "p99_ms": 500.0,
    }  # fmt: skip


def test_both_bodies_hold_the_same_784_numbers() -> None:
    (picture,) = json.loads(body())["inputs"]
    (tensor,) = json.loads(protocol_body())["inputs"]
    assert [number for row in picture for number in row] == tensor["data"]
    assert len(tensor["data"]) == 784


def test_the_folder_for_mlserver_holds_the_layers_of_our_network(tmp_path: Path) -> None:
    port = mlserver_model.write(tmp_path)
    assert json.loads((tmp_path / "settings.json").read_text())["http_port"] == port
    model = json.loads((tmp_path / "model-settings.json").read_text())
    assert model["implementation"] == "bench_runtime.Runtime"
    shapes = [list(weights.shape) for weights in lenet(input_shape=(1, 28, 28)).body.state_dict().values()]
    layers = (tmp_path / "bench_runtime.py").read_text()
    assert shapes == [[32, 1, 5, 5], [32], [64, 32, 5, 5], [64], [128, 1024], [128]]
    assert "Conv2d(1, 32, 5)" in layers and "Conv2d(32, 64, 5)" in layers and "Linear(1024, 128)" in layers


@pytest.mark.slow
def test_every_server_is_measured_in_every_turn() -> None:
    scope = Scope(seeds=1, budgets_bits=None, quick=True)
    fixture = TinyBench()(data=Path("nowhere"), download=False)
    rows = [row for row in SERVING.run(Trial("ours", 0, 0), fixture=fixture, scope=scope)]
    found = {(row.arm, row.metric): row.value for row in rows if isinstance(row, Row)}
    for connections in (1, 8, 64):
        for arm in ("ours", "ours_learning", "bare_handler", "bare_handler_async"):
            assert found[arm, f"requests_per_s_{connections}"] > 0
        assert found["ours", f"over_bare_handler_{connections}"] > 0
    assert found["ours", "kept_over_beside"] > 0
