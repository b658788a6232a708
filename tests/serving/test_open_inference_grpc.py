"""The gRPC client of Triton as it comes from PyPI, unmodified, and calls that it does not make."""

from __future__ import annotations

import io
import json
import socket
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamlearner.errors import ConfigError
from streamlearner.serving import Serving
from tests.serving.conftest import MakeServing
from tests.support.grpc_calls import MODEL, levels, started
from tests.support.serving_fakes import picture, tiny_predictor

triton = pytest.importorskip(
    "tritonclient.grpc", reason="tritonclient is missing: pip install 'streamlearner[test]'"
)


@pytest.fixture
def serving(make_serving: MakeServing) -> Serving:
    return started(make_serving)


def client_of(serving: Serving) -> Any:
    assert serving.grpc_address is not None
    host, port = serving.grpc_address
    return triton.InferenceServerClient(f"{host}:{port}")


@pytest.fixture
def client(serving: Serving) -> Iterator[Any]:
    with client_of(serving) as client:
        yield client


def asked(array: Any, datatype: str) -> Any:
    sent = triton.InferInput("input", list(array.shape), datatype)
    sent.set_data_from_numpy(array)
    return [sent]


def test_it_finds_the_server_live_ready_and_described(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "3")
    assert client.get_server_metadata(as_json=True)["name"] == "streamlearner"
    found = client.get_model_metadata(MODEL, "3.1200")
    assert (list(found.versions), found.inputs[0].datatype) == (["3", "3.1200"], "UINT8")
    assert list(found.inputs[0].shape) == [-1, 4, 4]
    assert [output.name for output in found.outputs] == ["label", "probability", "probabilities"]
    (index,) = client.get_model_repository_index().models
    assert (index.name, index.version, index.state) == (MODEL, "3.1200", "READY")


def test_it_finds_a_server_without_a_model_live_and_not_ready(make_serving: MakeServing) -> None:
    serving = make_serving(grpc_port=0)
    serving.start()
    with client_of(serving) as client:
        assert client.is_server_live()
        assert not client.is_server_ready()
        assert not client.is_model_ready(MODEL)
        with pytest.raises(triton.InferenceServerException, match="no model answers yet"):
            client.infer(MODEL, asked(levels(1), "UINT8"))


def test_tensors_get_their_labels_and_probabilities(client: Any) -> None:
    found = client.infer(MODEL, asked(levels(1, 0, 2), "UINT8"), request_id="mine")
    assert found.as_numpy("label").tolist() == [b"one", b"zero", b"2"]
    assert found.as_numpy("probabilities").shape == (3, 3)
    assert found.as_numpy("probabilities").max(1) == pytest.approx(found.as_numpy("probability"))
    response = found.get_response()
    assert (response.id, response.model_name, response.model_version) == ("mine", MODEL, "3.1200")
    assert response.parameters["prediction_id"].string_param == "run-1"
    assert response.parameters["route"].string_param == "hippocampus"


def test_only_the_outputs_that_were_asked_for_come_back(client: Any) -> None:
    wanted = [triton.InferRequestedOutput("label")]
    found = client.infer(MODEL, asked(levels(2), "UINT8"), outputs=wanted)
    assert found.as_numpy("label").tolist() == [b"2"]
    assert found.as_numpy("probability") is None


def test_pictures_and_texts_go_as_bytes(client: Any) -> None:
    stream = io.BytesIO()
    Image.fromarray(levels(2)[0]).save(stream, format="PNG")
    sent = np.array([stream.getvalue(), json.dumps(picture(1)).encode()], dtype=object)
    assert client.infer(MODEL, asked(sent, "BYTES")).as_numpy("label").tolist() == [b"2", b"one"]


def test_a_task_goes_as_a_parameter_and_a_version_may_be_asked_for(client: Any) -> None:
    sent = asked(levels(2), "UINT8")
    found = client.infer(MODEL, sent, model_version="3", parameters={"task": "odd"})
    assert found.as_numpy("label").tolist() == [b"one"]
    with pytest.raises(triton.InferenceServerException, match=r"NOT_FOUND.*version \"9\" is not served"):
        client.infer(MODEL, sent, model_version="9")


def test_calls_at_once_are_each_answered_rightly(client: Any) -> None:
    done: dict[int, Any] = {}
    for level in range(60):
        sent, keep = asked(levels(level % 3), "UINT8"), partial(done.__setitem__, level)
        client.async_infer(MODEL, sent, lambda result, error, keep=keep: keep(result or error))
    for _ in range(200):
        if len(done) == 60:
            break
        time.sleep(0.05)
    found = {level: result.as_numpy("label")[0].decode() for level, result in done.items()}
    assert found == {level: ("zero", "one", "2")[level % 3] for level in range(60)}


def test_a_method_of_tritons_own_is_not_spoken(client: Any) -> None:
    with pytest.raises(triton.InferenceServerException, match="UNIMPLEMENTED"):
        client.get_model_config(MODEL)


def test_a_call_that_is_too_large_is_refused(make_serving: MakeServing) -> None:
    serving = make_serving(grpc_port=0, max_body_bytes=1000)
    serving.refresh(tiny_predictor())
    serving.start()
    with client_of(serving) as client, pytest.raises(triton.InferenceServerException, match="EXHAUSTED"):
        client.infer(MODEL, asked(levels(*[1] * 100), "UINT8"))


def test_a_port_in_use_is_an_error_that_says_so(serving: Serving, make_serving: MakeServing) -> None:
    assert serving.grpc_address is not None
    other = make_serving(grpc_port=serving.grpc_address[1])
    with pytest.raises(ConfigError, match=r"cannot listen for gRPC on .*; set serving.grpc_port"):
        other.start()


def test_stop_frees_the_port_and_may_be_repeated(serving: Serving) -> None:
    assert serving.grpc_address is not None
    serving.stop()
    serving.stop()
    with socket.create_server(serving.grpc_address):
        pass


def test_without_a_port_nothing_listens_for_grpc(make_serving: MakeServing) -> None:
    assert make_serving().grpc_address is None


def test_without_grpcio_the_setting_is_an_error_that_names_the_extra(
    make_serving: MakeServing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(ConfigError, match=r"pip install 'streamlearner\[grpc\]'"):
        make_serving(grpc_port=0)
