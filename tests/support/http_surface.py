"""What whoever answers on HTTP, a daemon or a replica of a cluster, does alike: digits of 8 x 8 are known."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from tests.support.daemon_process import free_port
from tests.support.patience import Patience, cpu_steps

DIGIT = [[0, 3, 13, 9, 0, 0, 0, 0]] * 8
KIND = "urn:streamlearner:problem:"


@contextmanager
def on_a_port(application: Any) -> Iterator[httpx.Client]:
    """Answers on a free port of this machine, as Ray Serve lets it answer on one of its own."""
    server = uvicorn.Server(uvicorn.Config(application, port=free_port(), log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    patience = Patience()
    while not server.started:
        assert patience.lasts(cpu_steps())
        time.sleep(0.02)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.config.port}", timeout=60.0) as client:
        yield client
    server.should_exit = True
    thread.join()


def health(client: httpx.Client) -> None:
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/v2/health/ready").status_code == 200


def predictions(client: httpx.Client) -> None:
    answer = client.post("/v1/predict", json={"inputs": [DIGIT, DIGIT]})
    assert answer.status_code == 200
    found = answer.json()
    assert found["predictions"][0].keys() >= {"label", "probability", "route", "prediction_id"}
    assert found["model_version"] == client.get("/v1/status").json()["model_version"]
    assert len({one["prediction_id"] for one in found["predictions"]}) == 2
    assert refused(client.post("/v1/predict", json={"inputs": []})) == (400, "invalid-input")
    assert refused(client.post("/v1/predict", json={"inputs": [[1.0, 2.0]]})) == (400, "invalid-input")
    assert client.post("/v1/predict", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert client.get("/v1/predict").status_code == 405
    assert client.get("/v1/nowhere").status_code == 404


def open_inference(client: httpx.Client) -> None:
    assert client.get("/v2").json()["name"] == "streamlearner"
    path = "/v2/models/streamlearner"
    (input_,) = client.get(path).json()["inputs"]
    data = [value for row in DIGIT for value in row]
    tensor = {"name": input_["name"], "datatype": input_["datatype"], "shape": [1, *input_["shape"][1:]]}
    answer = client.post(f"{path}/infer", json={"inputs": [tensor | {"data": data}]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["shape"][0] == 1
    assert client.post("/v2/models/another/infer", json={"inputs": []}).status_code == 404


def metrics(client: httpx.Client) -> None:
    client.post("/v1/predict", json={"inputs": [DIGIT]})
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    answered = [
        line for line in answer.text.splitlines() if line.startswith("streamlearner_predictions_total{")
    ]
    assert sum(float(line.split()[-1]) for line in answered) >= 1
    assert "\nstreamlearner_model_version_info{" in answer.text


def examples(client: httpx.Client) -> None:
    good: dict[str, Any] = {"input": DIGIT, "label": 3, "id": f"posted-{uuid.uuid4().hex}"}
    answer = client.post("/v1/examples", json={"examples": [good, {"input": DIGIT, "label": 4}]})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert answer.json()["position"]
    wrong = client.post("/v1/examples", json={"examples": [good, {"input": [1.0], "label": 4}]})
    assert refused(wrong) == (400, "invalid-input")
    assert "examples[1]" in wrong.json()["error"]
    assert client.post("/v1/examples", json={"examples": []}).status_code == 400


def labels(client: httpx.Client) -> None:
    asked = client.post("/v1/predict", json={"inputs": [DIGIT]}).json()["predictions"][0]["prediction_id"]
    told = {"prediction_id": asked, "label": 3}
    assert client.post("/v1/labels", json=told).status_code == 202
    again = client.post("/v1/labels", json=told)
    assert (again.status_code, again.json()["outcome"]) == (200, "duplicate")
    assert refused(client.post("/v1/labels", json=told | {"label": 4})) == (409, "label-conflict")
    stranger = {"prediction_id": "0123456789ab-1", "label": 3}
    assert refused(client.post("/v1/labels", json=stranger)) == (404, "unknown-prediction")


def what_is_known(client: httpx.Client) -> None:
    status = client.get("/v1/status").json()
    assert status.keys() >= {"examples", "position", "lag", "asleep", "model_version", "method", "uptime_s"}
    assert status["ready"] is True
    assert client.get("/v1/retention").json()["overall"] is not None
    assert client.get("/v1/memory").json()["recollections"] > 0


def refused(answer: httpx.Response) -> tuple[int, str]:
    """The status and the kind of a problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].removeprefix(KIND)


SURFACE: tuple[Callable[[httpx.Client], None], ...] = (
    health,
    predictions,
    open_inference,
    metrics,
    examples,
    labels,
    what_is_known,
)
