"""Tensors of the Open Inference Protocol over HTTP: every way to send pictures, and what is refused."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest

from streamlearner.decoding.labels import FactorValue
from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.support.open_inference import INFER, LENGTH, binary, encoded, labels, outputs, pictures, tensor
from tests.support.problems import problem
from tests.support.serving_fakes import InProcess, picture, tiny_predictor


@pytest.mark.parametrize(
    "datatype", ["UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "UINT64", "INT64"]
)
def test_a_picture_may_be_of_any_integers_that_are_bytes(client: InProcess, datatype: str) -> None:
    sent = tensor([2] * 16, shape=[1, 4, 4], datatype=datatype)
    assert labels(client.post(INFER, json={"inputs": [sent]})) == ["2"]


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "BF16"])
def test_a_picture_of_floats_holds_zero_to_one(client: InProcess, datatype: str) -> None:
    sent = tensor([[[[1 / 255]] * 4] * 4], shape=[1, 4, 4, 1], datatype=datatype)
    assert labels(client.post(INFER, json={"inputs": [sent]})) == ["one"]


def test_data_may_be_flat_or_nested_and_the_tensor_of_any_name(client: InProcess) -> None:
    flat = tensor([1] * 16 + [2] * 16, shape=[2, 4, 4], name="input-0")
    half = tensor([[1] * 16, [2] * 16], shape=[2, 4, 4])
    assert labels(client.post(INFER, json={"inputs": [flat]})) == ["one", "2"]
    assert labels(client.post(INFER, json={"inputs": [half]})) == ["one", "2"]


@pytest.mark.parametrize("shape", [[3], [3, 1]])
def test_texts_hold_pictures_in_base64_or_inputs_as_json(client: InProcess, shape: list[int]) -> None:
    raw = {"b64": base64.b64encode(bytes([2] * 16)).decode(), "shape": [4, 4], "dtype": "uint8"}
    texts = [base64.b64encode(encoded(1)).decode(), json.dumps(picture(0)), json.dumps(raw)]
    sent = tensor(texts, shape=shape, datatype="BYTES")
    assert labels(client.post(INFER, json={"inputs": [sent]})) == ["one", "zero", "2"]


def test_a_task_restricts_the_answer(client: InProcess) -> None:
    assert labels(client.post(INFER, json=pictures(2, parameters={"task": "odd"}))) == ["one"]
    assert labels(client.post(INFER, json=pictures(2, parameters={"task": "unknown"}))) == ["2"]


def test_raw_bytes_may_stand_behind_the_json(client: InProcess) -> None:
    raw = np.array([np.full((4, 4), level, np.uint8) for level in (1, 2)]).tobytes()
    sent = {"name": "input", "shape": [2, 4, 4], "datatype": "UINT8", "parameters": {"binary_data_size": 32}}
    content, headers = binary({"inputs": [sent]}, raw)
    assert labels(client.post(INFER, content=content, headers=headers)) == ["one", "2"]


def test_raw_bytes_of_elements_have_their_lengths(client: InProcess) -> None:
    files = [encoded(1), encoded(2, "JPEG"), json.dumps(picture(0)).encode()]
    raw = b"".join(struct.pack("<I", len(each)) + each for each in files)
    sent = {"name": "input", "shape": [3], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    content, headers = binary({"inputs": [sent]}, raw)
    answer = client.post(
        INFER, content=content, headers=headers | {"content-type": "application/octet-stream"}
    )
    assert labels(answer) == ["one", "2", "zero"]


def test_outputs_come_back_raw_where_asked_so(client: InProcess) -> None:
    asked = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "probability"}]
    answer = client.post(INFER, json=pictures(1, 0, outputs=asked))
    assert answer.headers["content-type"] == "application/octet-stream"
    split = int(answer.headers[LENGTH])
    label, probability = json.loads(answer.content[:split])["outputs"]
    assert label["parameters"] == {"binary_data_size": len(answer.content) - split}
    assert answer.content[split:] == struct.pack("<I", 3) + b"one" + struct.pack("<I", 4) + b"zero"
    assert len(probability["data"]) == 2


def test_all_outputs_come_back_raw_where_all_are_asked_so(client: InProcess) -> None:
    answer = client.post(INFER, json=pictures(1, parameters={"binary_data_output": True}))
    split = int(answer.headers[LENGTH])
    found = json.loads(answer.content[:split])["outputs"]
    sizes = [output["parameters"]["binary_data_size"] for output in found]
    assert sizes == [4 + 3, 4, 3 * 4]
    assert len(answer.content) - split == sum(sizes)
    probabilities = np.frombuffer(answer.content[-12:], "<f4")
    assert probabilities.argmax() == 1


def test_labels_of_factors_are_json_and_have_a_probability_for_each_factor(make_serving: MakeServing) -> None:
    serving = make_serving()
    names = (FactorValue("kind", "mug"), FactorValue("kind", "cup"), FactorValue("angle", 90))
    serving.refresh(tiny_predictor(labels=names))
    client = InProcess(serving)
    found = client.get("/v2/models/streamlearner").json()
    assert found["parameters"] == {
        "classes": ["kind=mug", "kind=cup", "angle=90"],
        "factors": ["kind", "angle"],
    }
    assert [each["shape"] for each in found["outputs"]] == [[-1], [-1, 2], [-1, 3]]
    answer = outputs(client.post(INFER, json=pictures(1, 0)))
    assert [json.loads(text) for text in answer["label"]["data"]] == [
        {"kind": "cup", "angle": 90}, {"kind": "mug", "angle": 90},
    ]  # fmt: skip
    assert answer["probability"]["shape"] == [2, 2]
    rows = np.reshape(answer["probabilities"]["data"], (2, 3))
    assert rows[:, :2].sum(1) == pytest.approx([1, 1])
    assert rows[:, 2] == pytest.approx([1, 1])
    one = outputs(client.post(INFER, json=pictures(1, parameters={"task": "angle"})))
    assert json.loads(one["label"]["data"][0]) == {"angle": 90}
    assert one["probability"]["data"] == [0.0, 1.0]
    assert one["probabilities"]["data"] == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({}, '"inputs" is missing'),
        ({"inputs": []}, "inputs is empty"),
        ({"inputs": [tensor([], shape=[0, 4, 4])]}, "inputs is empty"),
        ({"inputs": [tensor([1] * 16, shape=[1, 4, 4])] * 2}, "2 input tensors; expected one"),
        ({"inputs": [tensor([1] * 15, shape=[1, 4, 4])]}, "has 15 values; shape [1, 4, 4] of UINT8 takes 16"),
        ({"inputs": [tensor([1] * 16, shape=[16])]}, "no batch"),
        ({"inputs": [tensor([1] * 16, shape=[1, 16])]}, "inputs[0]: input is [16] float32"),
        ({"inputs": [tensor([1] * 16, shape=[1, -4, -4])]}, "none negative"),
        ({"inputs": [tensor([1] * 16, shape=[2**62, 4, 4])]}, "shape"),
        ({"inputs": [tensor([1] * 16, shape=[])]}, "expected 1 to 8 sides"),
        ({"inputs": [tensor([300] * 16, shape=[1, 4, 4])]}, "holds 300 to 300; UINT8 holds 0 to 255"),
        ({"inputs": [tensor([2**70] * 16, shape=[1, 4, 4], datatype="UINT64")]}, "not such numbers"),
        ({"inputs": [tensor([1.5] * 16, shape=[1, 4, 4])]}, "not such numbers"),
        ({"inputs": [tensor(["1"] * 16, shape=[1, 4, 4])]}, "not such numbers"),
        ({"inputs": [tensor([True] * 16, shape=[1, 4, 4])]}, "not such numbers"),
        ({"inputs": [tensor([[1], [1, 2]], shape=[3])]}, "ragged"),
        ({"inputs": [tensor([1e300] * 7, shape=[1, 7], datatype="FP32")]}, "beyond float32"),
        ({"inputs": [tensor([1] * 16, shape=[1, 4, 4], datatype="uint8")]}, "expected one of BOOL, UINT8"),
        ({"inputs": [tensor([1], shape=[1], datatype="BYTES")]}, "expected texts"),
        ({"inputs": [tensor(["?!"], shape=[1], datatype="BYTES")]}, "base64"),
        ({"inputs": [tensor(["[1,"], shape=[1], datatype="BYTES")]}, "inputs[0] is not JSON"),
        ({"inputs": [tensor(["é"], shape=[1], datatype="BYTES")]}, "expected a PNG"),
        ({"inputs": [tensor(["a"] * 4, shape=[2, 2], datatype="BYTES")]}, "one element an input"),
        ({"inputs": [{"name": "input", "shape": [1, 4, 4], "datatype": "UINT8"}]}, "neither data nor"),
        ({"inputs": [{"name": "input", "shapes": [1]}]}, 'unknown key "inputs.0.shapes"'),
        (pictures(*[1] * 1025), "1025 inputs; expected at most 1024 (serving.max_batch)"),
        (pictures(1, outputs=[{"name": "labels"}]), 'no output "labels"; expected some of label'),
        (pictures(1, parameters={"task": True}), "task"),
        (pictures(1, parameters={"binary_data_output": "yes"}), "expected true or false"),
        (pictures(1, outputs=[{"name": "label", "parameters": {"classification": 3}}]), "classification"),
        (pictures(1, id=7), "id"),
    ],
)
def test_a_bad_request_is_a_400_in_the_form_of_the_protocol(
    client: InProcess, request_: dict[str, Any], text: str
) -> None:
    answer = client.post(INFER, json=request_)
    assert problem(answer)[:2] == (400, "invalid-input")
    assert text in answer.json()["error"]


@pytest.mark.parametrize(
    ("size", "raw", "length", "text"),
    [
        (16, bytes(15), None, "binary_data_size is int 16; expected at most the 15 bytes"),
        (16, bytes(17), None, "17 bytes stand behind the JSON"),
        (15, bytes(15), None, "has 15 bytes; shape [1, 4, 4] of UINT8 takes 16"),
        (-1, bytes(16), None, "binary_data_size"),
        (True, bytes(1), None, "binary_data_size"),
        (16, bytes(16), "9999", "expected the number of bytes of JSON"),
        (16, bytes(16), "-1", "expected the number of bytes of JSON"),
        (16, bytes(16), "10", "not JSON"),
    ],
)
def test_wrong_lengths_of_raw_bytes_are_a_400(
    client: InProcess, size: int, raw: bytes, length: str | None, text: str
) -> None:
    sent = {
        "name": "input",
        "shape": [1, 4, 4],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": size},
    }
    content, headers = binary({"inputs": [sent]}, raw)
    answer = client.post(INFER, content=content, headers=headers | ({LENGTH: length} if length else {}))
    assert answer.status_code == 400
    assert text in answer.json()["error"]


@pytest.mark.parametrize(
    "raw", [b"\x01\x00", b"\x05\x00\x00\x00abc", b"\x01\x00\x00\x00ab", b"\xff\xff\xff\xffa"]
)
def test_torn_elements_are_a_400(client: InProcess, raw: bytes) -> None:
    parameters = {"binary_data_size": len(raw)}
    sent = {"name": "input", "shape": [1], "datatype": "BYTES", "parameters": parameters}
    content, headers = binary({"inputs": [sent]}, raw)
    answer = client.post(INFER, content=content, headers=headers)
    assert answer.status_code == 400
    assert "are not 1 elements of BYTES" in answer.json()["error"]


def test_predictions_by_the_protocol_are_counted_as_all_others(client: InProcess, metrics: Metrics) -> None:
    client.post(INFER, json=pictures(1, 2))
    client.post("/v2/models/streamlearner/versions/3/infer", json=pictures(1))
    exposed = metrics.exposition().decode()
    assert 'streamlearner_predictions_total{route="hippocampus"} 3.0' in exposed
    assert 'path="/v2/models/{model}/infer"' in exposed
