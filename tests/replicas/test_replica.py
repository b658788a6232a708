"""A replica answers as a daemon does, and refuses what a daemon alone can do."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from streamlearner.export.exported import Exported
from streamlearner.replicas import Location, predictor_of
from streamlearner.state.published import Published
from tests.support.exports import tiny_version
from tests.support.patience import wait_until
from tests.support.replicas import running_replica

QUERY = [1.0, 2.0, 0.5]


def until(holds: Callable[[], Any]) -> None:
    wait_until(holds, "the replica", every_s=0.02)


@functools.cache
def version(number: int) -> Exported:
    return tiny_version(number)


@pytest.fixture(scope="module", autouse=True)
def made_beforehand() -> None:
    """torch.export fails where another thread asks a model meanwhile: a daemon has a process for it."""
    for number in (1, 2, 3):
        version(number)


def publish(folder: Path, number: int) -> None:
    published = Published(folder)
    published.add(number, version(number).files)
    published.point_to(number)


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a replica that follows `tmp_path`."""
    with running_replica(tmp_path) as made:
        yield made.client


def version_of(client: httpx.Client) -> int | None:
    found: int | None = client.get("/v1/status").json()["replica"]["version"]
    return found


def follows(client: httpx.Client, number: int) -> bool:
    return version_of(client) == number


def test_it_is_ready_once_the_first_version_is_published(tmp_path: Path, replica: httpx.Client) -> None:
    assert replica.get("/readyz").status_code == 503
    assert replica.post("/v1/predict", json={"inputs": [QUERY]}).status_code == 503
    publish(tmp_path, 1)
    until(lambda: replica.get("/readyz").status_code == 200)
    answer = replica.post("/v1/predict", json={"inputs": [QUERY], "return": ["probabilities"]}).json()
    assert answer["model_version"] == version(1).card.model_version
    assert answer["predictions"][0]["route"] == "statistics"
    assert set(answer["predictions"][0]["probabilities"]) == {"low", "high"}


def test_the_open_inference_protocol_answers_too(tmp_path: Path, replica: httpx.Client) -> None:
    publish(tmp_path, 1)
    until(lambda: replica.get("/v2/health/ready").status_code == 200)
    found = replica.get("/v2/models/streamlearner").json()
    assert found["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 3]}]
    tensor = {"name": "input", "shape": [1, 3], "datatype": "FP32", "data": QUERY}
    answer = replica.post("/v2/models/streamlearner/infer", json={"inputs": [tensor]}).json()
    assert answer["model_version"] == version(1).card.model_version
    assert answer["outputs"][0]["data"][0] in ("low", "high")


def test_a_request_never_meets_half_a_model(tmp_path: Path, replica: httpx.Client) -> None:
    """While versions change to and fro, each answer is wholly of the version that it names."""
    wanted = {}
    for number in (1, 2, 3):
        publish(tmp_path, number)
        location = Location(str(tmp_path))
        made = predictor_of(location, location.card(number))
        wanted[made_version := str(made.version)] = made.predict_proba(torch.tensor([QUERY]))[0].max().item()
        assert made_version == version(number).card.model_version
    until(lambda: version_of(replica) == 3)
    seen: dict[str, int] = {}
    wrong: list[object] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=replica.base_url, timeout=30) as client:
            while not done.is_set():
                answer = client.post("/v1/predict", json={"inputs": [QUERY]}).json()
                name, found = answer["model_version"], answer["predictions"][0]["probability"]
                seen[name] = seen.get(name, 0) + 1
                if abs(found - wanted[name]) > 1e-6:
                    wrong.append((name, found))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in (1, 2, 3, 1, 3, 2):
        Published(tmp_path).point_to(number)
        until(functools.partial(follows, replica, number))
    done.set()
    for thread in threads:
        thread.join(30)
    assert not wrong
    assert len(seen) == 3, seen


REFUSED = [
    ("POST", "/v1/examples", {"examples": [{"input": QUERY, "label": "low"}]}),
    ("POST", "/v1/labels", {"prediction_id": "a-1", "label": "low"}),
    ("GET", "/v1/questions", None),
    ("POST", "/v1/sleep", {}),
    ("POST", "/v1/checkpoint", {}),
    ("POST", "/v1/rollback", {}),
    ("POST", "/v1/transplant", {"to": "mlp"}),
    ("DELETE", "/v1/examples/one", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REFUSED)
def test_what_teaches_or_operates_is_refused_and_says_why(
    tmp_path: Path, replica: httpx.Client, method: str, path: str, body: object
) -> None:
    answer = replica.request(method, path, json=body)
    assert answer.status_code == 409
    assert f"this is a replica: it follows the versions in {tmp_path}" in answer.text


def test_status_and_metrics_tell_what_is_followed(tmp_path: Path, replica: httpx.Client) -> None:
    publish(tmp_path, 2)
    until(lambda: version_of(replica) == 2)
    status = replica.get("/v1/status").json()
    assert status["ready"]
    assert status["replica"]["follows"] == str(tmp_path)
    metrics = replica.get("/metrics").text
    assert "streamlearner_followed_version 2.0" in metrics
    assert 'streamlearner_follows_total{outcome="taken"} 1.0' in metrics
    model_version = version(2).card.model_version
    assert f'streamlearner_model_version_info{{version="{model_version}"}} 1.0' in metrics


def test_a_version_that_cannot_be_had_is_counted_and_the_one_before_goes_on_answering(
    tmp_path: Path, replica: httpx.Client
) -> None:
    publish(tmp_path, 1)
    until(lambda: version_of(replica) == 1)
    Published(tmp_path).point_to(5)
    until(lambda: replica.get("/v1/status").json()["replica"]["failure"] is not None)
    assert replica.get("/readyz").status_code == 200
    answer = replica.post("/v1/predict", json={"inputs": [QUERY]}).json()
    assert answer["model_version"] == version(1).card.model_version
    assert 'streamlearner_follows_total{outcome="failed"} 0.0' not in replica.get("/metrics").text
    publish(tmp_path, 2)
    until(lambda: version_of(replica) == 2)
    assert replica.get("/v1/status").json()["replica"]["failure"] is None
