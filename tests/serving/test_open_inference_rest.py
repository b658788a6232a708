"""The Open Inference Protocol over HTTP: who answers, in which version, and what of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamlearner.decoding.codec import Codec, Schema
from streamlearner.serving import Serving
from tests.serving.conftest import MakeServing
from tests.support.open_inference import INFER, labels, outputs, pictures, tensor
from tests.support.problems import problem
from tests.support.serving_fakes import InProcess, tiny_predictor


def test_every_input_gets_a_label_its_probability_and_those_of_all_classes(client: InProcess) -> None:
    found = outputs(client.post(INFER, json=pictures(1, 0, 2)))
    assert found["label"] == {
        "name": "label", "datatype": "BYTES", "shape": [3], "data": ["one", "zero", "2"],
    }  # fmt: skip
    assert (found["probability"]["datatype"], found["probability"]["shape"]) == ("FP32", [3])
    assert found["probabilities"]["shape"] == [3, 3]
    rows = np.reshape(found["probabilities"]["data"], (3, 3))
    assert rows.sum(1) == pytest.approx([1, 1, 1])
    assert rows.argmax(1).tolist() == [1, 0, 2]
    assert rows.max(1) == pytest.approx(found["probability"]["data"])


def test_the_answer_names_the_model_its_exact_version_and_the_request(client: InProcess) -> None:
    answer = client.post(INFER, json=pictures(1, id="mine")).json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (
        "streamlearner",
        "3.1200",
        "mine",
    )
    assert answer["parameters"] == {"prediction_id": "run-1", "route": "hippocampus"}
    assert "id" not in client.post(INFER, json=pictures(1)).json()


def test_only_the_outputs_that_were_asked_for_come_back_and_each_once(client: InProcess) -> None:
    asked = [{"name": "probability"}, {"name": "label"}, {"name": "label"}]
    assert list(outputs(client.post(INFER, json=pictures(1, outputs=asked)))) == ["probability", "label"]
    assert len(outputs(client.post(INFER, json=pictures(1, outputs=[])))) == 3


def test_the_metadata_tell_shape_datatype_versions_and_classes(client: InProcess) -> None:
    found = client.get("/v2/models/streamlearner").json()
    assert found["name"] == "streamlearner"
    assert found["versions"] == ["3", "3.1200"]
    assert found["inputs"] == [{"name": "input", "datatype": "UINT8", "shape": [-1, 4, 4]}]
    assert [(each["name"], each["datatype"], each["shape"]) for each in found["outputs"]] == [
        ("label", "BYTES", [-1]), ("probability", "FP32", [-1]), ("probabilities", "FP32", [-1, 3]),
    ]  # fmt: skip
    assert found["parameters"] == {"classes": ["zero", "one", "2"]}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((3, 4, 5), ["UINT8", [-1, 4, 5, 3]]), ((7,), ["FP32", [-1, 7]])],
    ids=["colour", "features"],
)
def test_shapes_are_told_as_one_sends_them_channels_last(
    make_serving: MakeServing, shape: tuple[int, ...], expected: list[Any]
) -> None:
    serving = make_serving(codec=Codec(schema=Schema(shape, "uint8" if len(shape) == 3 else "float32")))
    serving.refresh(tiny_predictor(input_shape=shape, examples=1))
    (found,) = InProcess(serving).get("/v2/models/streamlearner").json()["inputs"]
    assert [found["datatype"], found["shape"]] == expected
    sent = tensor(np.ones([2, *found["shape"][1:]]).tolist(), shape=[2, *found["shape"][1:]], datatype="FP32")
    expected_label = "one" if len(shape) == 1 else "2"  # a float image of ones is white
    assert labels(InProcess(serving).post(INFER, json={"inputs": [sent]})) == [expected_label] * 2


def test_one_model_has_the_name_that_was_configured(make_serving: MakeServing) -> None:
    serving = make_serving(model_name="digits")
    serving.refresh(tiny_predictor())
    client = InProcess(serving)
    assert client.get("/v2/models/digits").json()["name"] == "digits"
    assert labels(client.post("/v2/models/digits/infer", json=pictures(1))) == ["one"]
    answer = client.get("/v2/models/digit")
    assert problem(answer) == (
        404, "unknown-model", 'no model "digit"; expected "digits"; did you mean "digits"?',
    )  # fmt: skip


@pytest.mark.parametrize("version", ["3", "3.1200"])
def test_the_version_that_answers_may_be_asked_for(client: InProcess, version: str) -> None:
    path = f"/v2/models/streamlearner/versions/{version}"
    assert labels(client.post(f"{path}/infer", json=pictures(1))) == ["one"]
    assert client.get(path).json()["versions"] == ["3", "3.1200"]
    assert client.get(f"{path}/ready").json()["ready"] is True


def test_another_version_is_not_answered_by_this_one(client: InProcess) -> None:
    path = "/v2/models/streamlearner/versions/2"
    for answer in (
        client.post(f"{path}/infer", json=pictures(1)),
        client.get(path),
        client.get(f"{path}/ready"),
    ):
        assert problem(answer) == (
            404, "unknown-model", 'version "2" is not served; expected 3 or 3.1200',
        )  # fmt: skip


def test_the_server_says_what_it_is_and_what_it_speaks(client: InProcess) -> None:
    found = client.get("/v2").json()
    assert found["name"] == "streamlearner"
    assert "binary_tensor_data" in found["extensions"]


def test_health_says_both_words_as_implementations_disagree(client: InProcess) -> None:
    assert client.get("/v2/health/live").json() == {"live": True, "ready": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    found = client.get("/v2/models/streamlearner/ready").json()
    assert found == {"name": "streamlearner", "ready": True}


def test_without_a_model_it_is_live_but_not_ready(make_serving: MakeServing) -> None:
    client = InProcess(make_serving())
    assert client.get("/v2/health/live").json() == {"live": True, "ready": False}
    for path in ("/v2/health/ready", "/v2/models/streamlearner/ready", "/v2/models/streamlearner"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "no model answers yet" in answer.json()["error"]
    assert client.post(INFER, json=pictures(1)).status_code == 503
    assert client.get("/v2/models/other/ready").status_code == 404


def test_a_broken_source_leaves_the_model_ready(serving: Serving, client: InProcess, daemon: Any) -> None:
    daemon.connected = daemon.learning = False
    assert client.get("/v2/health/ready").status_code == 200


def test_the_repository_lists_the_one_model_and_whether_it_is_ready(
    client: InProcess, make_serving: MakeServing
) -> None:
    ready = {"name": "streamlearner", "version": "3.1200", "state": "READY", "reason": ""}
    assert client.post("/v2/repository/index").json() == [ready]
    assert client.post("/v2/repository/index", json={"ready": True}).json() == [ready]
    unready = InProcess(make_serving())
    (found,) = unready.post("/v2/repository/index", json={}).json()
    assert (found["state"], found["reason"]) == (
        "UNAVAILABLE",
        "no model answers yet, as nothing was learned",
    )
    assert unready.post("/v2/repository/index", json={"ready": True}).json() == []
