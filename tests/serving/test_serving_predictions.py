from __future__ import annotations

import base64
import io
import json
import threading

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from streamlearner.decoding.codec import Codec
from streamlearner.learning.predictor import ModelVersion
from streamlearner.serving import Serving
from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.support.problems import problem
from tests.support.serving_fakes import InProcess, picture, tiny_predictor


def encoded(level: int, *, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), level, np.uint8)).save(stream, format=kind, quality=100)
    return stream.getvalue()


def test_each_input_gets_its_label_and_an_id_of_its_own(client: InProcess) -> None:
    answer = client.post("/v1/predict", json={"inputs": [picture(1), picture(0), picture(2)]}).json()
    assert [prediction["label"] for prediction in answer["predictions"]] == ["one", "zero", 2]
    assert [prediction["prediction_id"] for prediction in answer["predictions"]] == [
        "run-1.0",
        "run-1.1",
        "run-1.2",
    ]
    assert all(0.5 < prediction["probability"] <= 1.0 for prediction in answer["predictions"])
    assert {prediction["route"] for prediction in answer["predictions"]} == {"hippocampus"}
    assert answer["model_version"] == "3.1200"


def test_a_single_prediction_has_the_id_of_its_request(client: InProcess) -> None:
    answers = [client.post("/v1/predict", json={"inputs": [picture(1)]}).json() for _ in range(2)]
    assert [answer["prediction_id"] for answer in answers] == ["run-1", "run-2"]
    assert [answer["predictions"][0]["prediction_id"] for answer in answers] == ["run-1", "run-2"]


def test_probabilities_are_given_only_when_asked_for_and_sum_to_one(client: InProcess) -> None:
    asked = client.post("/v1/predict", json={"inputs": [picture(1)], "return": ["probabilities"]}).json()
    probabilities = asked["predictions"][0]["probabilities"]
    assert set(probabilities) == {"zero", "one", "2"}
    assert sum(probabilities.values()) == pytest.approx(1.0)
    unasked = client.post("/v1/predict", json={"inputs": [picture(1)]}).json()
    assert "probabilities" not in unasked["predictions"][0]


def test_a_task_restricts_the_answer_and_an_unknown_one_counts_as_none(client: InProcess) -> None:
    def label(task: object) -> object:
        body = {"inputs": [picture(2)], "task": task}
        return client.post("/v1/predict", json=body).json()["predictions"][0]["label"]

    assert label("odd") == "one"
    assert label("never heard of") == 2
    assert label(None) == 2


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_picture_may_be_the_whole_body(client: InProcess, kind: str) -> None:
    headers = {"content-type": f"image/{kind}"}
    answer = client.post("/v1/predict?return=probabilities", content=encoded(1, kind=kind), headers=headers)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["label"] == "one"
    assert "probabilities" in answer.json()["predictions"][0]


def test_raw_bytes_may_be_the_whole_body_with_their_shape_in_a_header(client: InProcess) -> None:
    headers = {"content-type": "application/octet-stream", "shape": "4,4", "dtype": "uint8"}
    answer = client.post("/v1/predict?task=odd", content=bytes([2] * 16), headers=headers)
    assert answer.json()["predictions"][0]["label"] == "one"


def test_every_written_form_of_an_input_means_the_same(client: InProcess) -> None:
    raw = {"b64": base64.b64encode(bytes([1] * 16)).decode(), "shape": [4, 4], "dtype": "uint8"}
    image = {"image": base64.b64encode(encoded(1)).decode()}
    answer = client.post("/v1/predict", json={"inputs": [picture(1), raw, image]}).json()
    assert len({prediction["probability"] for prediction in answer["predictions"]}) == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"inputs": []}, "inputs is empty"),
        ({"inputs": [picture(1)] * 1025}, "1025 inputs; expected at most 1024"),
        ({"input": [picture(1)]}, 'did you mean "inputs"?'),
        ({"inputs": [picture(1)], "retrun": []}, 'unknown key "retrun"'),
        ({"inputs": [picture(1)], "return": ["logits"]}, "probabilities"),
        ({"inputs": [picture(1)], "task": True}, "task"),
        ({"inputs": [picture(1)], "task": ""}, "task has 0 characters"),
        ({"inputs": [picture(1)], "task": 2**70}, "63 bits"),
        ({"inputs": picture(1)[0]}, "inputs[0]"),
        ({"inputs": [picture(1), picture(1, side=5)]}, "inputs[1]"),
        ({"inputs": [[[300] * 4] * 4]}, "0..255"),
        ({"inputs": [[[None] * 4] * 4]}, "input holds null; expected numbers"),
        ({"inputs": [{"b64": "AAAA", "shape": [2, 2], "dtype": "int8"}]}, "dtype"),
        ({}, '"inputs" is missing'),
        ([], "expected a JSON object"),
    ],
)
def test_a_bad_body_is_a_400_that_says_what_was_expected(client: InProcess, body: object, text: str) -> None:
    answer = client.post("/v1/predict", json=body)
    assert problem(answer)[:2] == (400, "invalid-input")
    assert answer.json().keys() == {"type", "title", "status", "detail", "error", "reason"}
    assert text in answer.json()["error"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"inputs": [[NaN]]}', b"[" * 100_000, b"9" * 5000])
def test_what_is_not_json_is_a_400(client: InProcess, body: bytes) -> None:
    answer = client.post("/v1/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]


def test_a_body_may_begin_with_the_mark_that_files_of_windows_begin_with(client: InProcess) -> None:
    body = "\ufeff".encode() + json.dumps({"inputs": [picture(1)]}).encode()
    answer = client.post("/v1/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200


def test_nan_is_told_apart_from_what_is_no_json_at_all(client: InProcess) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/v1/predict", content=b'{"inputs": [[NaN, 1.0]]}', headers=headers)
    assert "NaN and Infinity are none; a missing number is null" in answer.json()["error"]
    answer = client.post("/v1/predict", content=b'{"inputs": [[NaN, 1.0]', headers=headers)
    assert "line 1 column" in answer.json()["error"]


def test_another_media_type_is_a_415_that_names_those_it_takes(client: InProcess) -> None:
    answer = client.post("/v1/predict", content=b"a=1", headers={"content-type": "text/csv"})
    assert answer.status_code == 415
    assert "image/webp" in answer.json()["error"]


def test_a_shape_that_the_served_model_does_not_know_is_named(make_serving: MakeServing) -> None:
    serving = make_serving(codec=Codec())
    serving.refresh(tiny_predictor(adopted=1, examples=1))
    answer = InProcess(serving).post("/v1/predict", json={"inputs": [picture(1, side=5)]})
    assert answer.status_code == 400
    assert answer.json()["error"] == "input is [5, 5]; this model expects [4, 4]"


def test_before_anything_was_learned_the_answer_is_503(make_serving: MakeServing) -> None:
    serving = make_serving()
    serving.refresh(tiny_predictor(labels=()))
    answer = InProcess(serving).post("/v1/predict", json={"inputs": [picture(1)]})
    assert answer.status_code == 503
    assert "no model answers yet" in answer.json()["error"]
    assert int(answer.headers["retry-after"]) >= 1


def test_floats_that_overflow_inside_the_model_are_the_input_s_fault(make_serving: MakeServing) -> None:
    serving = make_serving(codec=Codec())
    serving.refresh(tiny_predictor(input_shape=(3,), scale=1e30, adopted=1, examples=1))
    answer = InProcess(serving).post("/v1/predict", json={"inputs": [[1.0, 1.0, 3e38]]})
    assert answer.status_code == 400
    assert "inputs[0]" in answer.json()["error"]


def test_a_model_that_diverged_is_a_503_and_not_the_client_s_fault(make_serving: MakeServing) -> None:
    serving = make_serving()
    serving.refresh(tiny_predictor(scale=float("nan"), adopted=1, examples=1))
    answer = InProcess(serving).post("/v1/predict", json={"inputs": [picture(1)]})
    assert answer.status_code == 503
    assert "diverged" in answer.json()["error"]


def test_a_model_of_vectors_that_diverged_is_a_503_too_and_makes_the_daemon_not_ready(
    make_serving: MakeServing,
) -> None:
    serving = make_serving(codec=Codec())
    serving.refresh(tiny_predictor(input_shape=(3,), scale=float("nan"), adopted=1, examples=1))
    answer = InProcess(serving).post("/v1/predict", json={"inputs": [[1.0, 0.0, 2.0]]})
    assert answer.status_code == 503
    assert "diverged" in answer.json()["error"]
    ready = InProcess(serving).get("/readyz")
    assert ready.status_code == 503
    assert "diverged" in ready.json()["reasons"]["model"]
    serving.refresh(tiny_predictor(input_shape=(3,), adopted=2, examples=2))
    assert InProcess(serving).get("/readyz").status_code == 200


def test_predictions_are_counted_and_timed_by_route(client: InProcess, metrics: Metrics) -> None:
    client.post("/v1/predict", json={"inputs": [picture(1)] * 3})
    client.post("/v1/predict", json={"inputs": []})
    route = {"route": "hippocampus"}
    assert metrics.registry.get_sample_value("streamlearner_predictions_total", route) == 3
    assert metrics.registry.get_sample_value("streamlearner_predict_seconds_count", route) == 1


def test_each_answer_comes_from_one_model_while_models_are_swapped(
    serving: Serving, wire: httpx.Client
) -> None:
    """Version v of this model answers with the probability that only version v gives."""
    predictor = tiny_predictor()
    stop = threading.Event()

    def learn() -> None:
        examples = 1200
        while not stop.is_set():
            with torch.no_grad():
                predictor.method.bias += 0.01  # type: ignore[attr-defined]
            examples += 1000
            predictor.version = ModelVersion(3, examples)
            serving.refresh(predictor)

    learner = threading.Thread(target=learn)
    learner.start()
    try:
        seen: dict[str, set[float]] = {}
        for _ in range(60):
            answer = wire.post("/v1/predict", json={"inputs": [picture(1)] * 3}).json()
            found = {prediction["probability"] for prediction in answer["predictions"]}
            seen.setdefault(answer["model_version"], set()).update(found)
    finally:
        stop.set()
        learner.join()
    assert len(seen) > 1
    assert all(len(probabilities) == 1 for probabilities in seen.values())
