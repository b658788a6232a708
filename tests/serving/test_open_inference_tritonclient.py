"""The client of Triton as it comes from PyPI, unmodified, over real HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamlearner.serving import Serving
from tests.serving.conftest import MakeServing

triton = pytest.importorskip(
    "tritonclient.http", reason="tritonclient is missing: pip install 'streamlearner[test]'"
)
MODEL = "streamlearner"


@pytest.fixture
def client(serving: Serving) -> Iterator[Any]:
    serving.start()
    host, port = serving.address
    with triton.InferenceServerClient(f"{host}:{port}", network_timeout=10.0) as client:
        yield client


def levels(*of: int, dtype: type = np.uint8) -> Any:
    return np.stack([np.full((4, 4), level, dtype) for level in of])


def asked(array: Any, datatype: str, *, binary: bool) -> Any:
    sent = triton.InferInput("input", list(array.shape), datatype)
    sent.set_data_from_numpy(array, binary_data=binary)
    return [sent]


def test_it_finds_the_server_live_ready_and_described(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "3")
    assert client.get_server_metadata()["name"] == "streamlearner"
    found = client.get_model_metadata(MODEL, "3.1200")
    assert found["inputs"] == [{"name": "input", "datatype": "UINT8", "shape": [-1, 4, 4]}]
    (index,) = client.get_model_repository_index()
    assert (index["name"], index["state"]) == (MODEL, "READY")


def test_it_finds_a_server_without_a_model_live_and_not_ready(make_serving: MakeServing) -> None:
    serving = make_serving()
    serving.start()
    host, port = serving.address
    with triton.InferenceServerClient(f"{host}:{port}") as client:
        assert client.is_server_live()
        assert not client.is_server_ready()
        assert not client.is_model_ready(MODEL)


@pytest.mark.parametrize("sent_raw", [True, False], ids=["raw inputs", "JSON inputs"])
@pytest.mark.parametrize("back_raw", [True, False], ids=["raw outputs", "JSON outputs"])
def test_tensors_get_their_labels_and_probabilities(client: Any, sent_raw: bool, back_raw: bool) -> None:
    wanted = [
        triton.InferRequestedOutput(name, binary_data=back_raw)
        for name in ("label", "probability", "probabilities")
    ]
    sent = asked(levels(1, 0, 2), "UINT8", binary=sent_raw)
    found = client.infer(MODEL, sent, outputs=wanted, request_id="mine")
    text = [each.decode() if isinstance(each, bytes) else each for each in found.as_numpy("label")]
    assert text == ["one", "zero", "2"]
    assert found.as_numpy("probabilities").shape == (3, 3)
    assert found.as_numpy("probabilities").max(1) == pytest.approx(found.as_numpy("probability"))
    assert found.get_response()["id"] == "mine"
    assert found.get_response()["model_version"] == "3.1200"


@pytest.mark.parametrize("algorithm", [None, "gzip", "deflate"])
def test_without_named_outputs_all_come_back(client: Any, algorithm: str | None) -> None:
    sent = asked(levels(2), "UINT8", binary=True)
    found = client.infer(
        MODEL, sent, request_compression_algorithm=algorithm, response_compression_algorithm=algorithm
    )
    assert found.as_numpy("label").tolist() == [b"2"]
    assert found.as_numpy("probability")[0] == found.as_numpy("probabilities")[0, 2]


def test_pictures_go_as_bytes(client: Any) -> None:
    files = []
    for level in (2, 1):
        stream = io.BytesIO()
        Image.fromarray(np.full((4, 4), level, np.uint8)).save(stream, format="PNG")
        files.append(stream.getvalue())
    sent = asked(np.array(files, dtype=object), "BYTES", binary=True)
    assert client.infer(MODEL, sent).as_numpy("label").tolist() == [b"2", b"one"]


def test_texts_go_as_json_inputs(client: Any) -> None:
    texts = np.array([json.dumps(levels(level)[0].tolist()) for level in (0, 1)], dtype=object)
    for binary in (True, False):
        found = client.infer(MODEL, asked(texts, "BYTES", binary=binary))
        assert found.as_numpy("label").tolist() == [b"zero", b"one"]


def test_a_task_goes_as_a_parameter_and_a_version_in_the_path(client: Any) -> None:
    sent = asked(levels(2), "UINT8", binary=True)
    found = client.infer(MODEL, sent, model_version="3", parameters={"task": "odd"})
    assert found.as_numpy("label").tolist() == [b"one"]


def test_errors_are_told_in_our_words(client: Any) -> None:
    with pytest.raises(triton.InferenceServerException, match=r"version \"9\" is not served"):
        client.infer(MODEL, asked(levels(1), "UINT8", binary=True), model_version="9")
    with pytest.raises(triton.InferenceServerException, match=r"expected \[4, 4\] uint8"):
        client.infer(MODEL, asked(np.zeros((1, 5, 5), np.uint8), "UINT8", binary=True))
    with pytest.raises(triton.InferenceServerException, match="no model"):
        client.get_model_metadata("other")


def test_many_requests_at_once_are_each_answered_rightly(serving: Serving) -> None:
    serving.start()
    host, port = serving.address
    with triton.InferenceServerClient(f"{host}:{port}", concurrency=8) as client:
        pending = [
            client.async_infer(MODEL, asked(levels(level % 3), "UINT8", binary=True)) for level in range(60)
        ]
        found = [each.get_result().as_numpy("label")[0].decode() for each in pending]
    assert found == ["zero", "one", "2"] * 20
