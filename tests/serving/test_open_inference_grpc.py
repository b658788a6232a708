"""The gRPC client of Triton as it comes from PyPI, unmodified, and calls that it does not make."""

from __future__ import annotations

import io
import json
import socket
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamlearner.errors import ConfigError
from streamlearner.serving import Role, Serving
from streamlearner.serving.open_inference.rpc import ROLES
from streamlearner.serving.open_inference.rpc_messages import COMPILED, SERVICE, Messages
from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.serving.test_open_inference_rest import picture
from tests.support.serving_fakes import tiny_predictor

triton = pytest.importorskip(
    "tritonclient.grpc", reason="tritonclient is missing: pip install 'streamlearner[test]'"
)
grpc = pytest.importorskip("grpc", reason="grpcio is missing: pip install 'streamlearner[test]'")
MODEL = "streamlearner"


@pytest.fixture
def serving(make_serving: MakeServing) -> Serving:
    serving = make_serving(grpc_port=0)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    serving.start()
    return serving


def client_of(serving: Serving) -> Any:
    assert serving.grpc_address is not None
    host, port = serving.grpc_address
    return triton.InferenceServerClient(f"{host}:{port}")


@pytest.fixture
def client(serving: Serving) -> Iterator[Any]:
    with client_of(serving) as client:
        yield client


class Caller:
    """Calls methods with messages of our own definition."""

    def __init__(self, serving: Serving) -> None:
        assert serving.grpc_address is not None
        host, port = serving.grpc_address
        self.new = Messages().new
        self._classes = Messages().methods()
        self.channel = grpc.insecure_channel(f"{host}:{port}")

    def call(self, method: str, token: str | None = None, **fields: Any) -> Any:
        request, response = self._classes[method]
        called = self.channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        metadata = [("authorization", f"Bearer {token}")] if token else []
        return called(request(**fields), timeout=10.0, metadata=metadata)

    def refused(self, method: str, token: str | None = None, **fields: Any) -> tuple[str, str]:
        """Name of the code, and text."""
        with pytest.raises(grpc.RpcError) as raised:
            self.call(method, token, **fields)
        return raised.value.code().name, raised.value.details()


@pytest.fixture
def caller(serving: Serving) -> Iterator[Caller]:
    caller = Caller(serving)
    yield caller
    caller.channel.close()


def levels(*of: int) -> Any:
    return np.stack([np.full((4, 4), level, np.uint8) for level in of])


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


@pytest.mark.parametrize(
    ("datatype", "contents"),
    [
        ("UINT8", "uint_contents"), ("UINT64", "uint64_contents"), ("INT32", "int_contents"),
        ("INT64", "int64_contents"),
    ],
)  # fmt: skip
def test_lists_of_values_are_answered_by_lists_of_values(
    caller: Caller, datatype: str, contents: str
) -> None:
    tensor = {"name": "input", "datatype": datatype, "shape": [1, 4, 4], "contents": {contents: [2] * 16}}
    found = caller.call("ModelInfer", model_name=MODEL, inputs=[tensor])
    label, probability, probabilities = found.outputs
    assert list(label.contents.bytes_contents) == [b"2"]
    assert probability.contents.fp32_contents[0] == probabilities.contents.fp32_contents[2]
    assert list(probabilities.shape) == [1, 3]
    assert not found.raw_output_contents


def test_floats_and_texts_may_be_listed_too(caller: Caller) -> None:
    for datatype in ("FP32", "FP64"):
        contents = {f"{datatype.lower()}_contents": [1 / 255] * 16}
        tensor = {"name": "input", "datatype": datatype, "shape": [1, 4, 4], "contents": contents}
        found = caller.call("ModelInfer", model_name=MODEL, inputs=[tensor])
        assert list(found.outputs[0].contents.bytes_contents) == [b"one"]
    contents = {"bytes_contents": [json.dumps(picture(1)).encode()]}
    tensor = {"name": "input", "datatype": "BYTES", "shape": [1], "contents": contents}
    found = caller.call("ModelInfer", model_name=MODEL, inputs=[tensor])
    assert list(found.outputs[0].contents.bytes_contents) == [b"one"]


def test_the_metadata_name_the_classes(caller: Caller) -> None:
    found = caller.call("ModelMetadata", name=MODEL)
    assert json.loads(found.parameters["classes"].string_param) == ["zero", "one", "2"]


ONE = {"name": "input", "datatype": "UINT8", "shape": [1, 4, 4]}
BYTES = {"uint_contents": [1] * 16}


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"model_name": "other"}, "NOT_FOUND", 'expected "streamlearner"'),
        ({}, "INVALID_ARGUMENT", "inputs is empty"),
        ({"inputs": [ONE]}, "INVALID_ARGUMENT", "has 0 values; shape [1, 4, 4] of UINT8 takes 16"),
        ({"inputs": [ONE], "raw_input_contents": [bytes(15)]}, "INVALID_ARGUMENT", "has 15 bytes"),
        ({"inputs": [ONE], "raw_input_contents": [b"", b""]}, "INVALID_ARGUMENT", "one for each"),
        (
            {"inputs": [ONE | {"contents": BYTES}], "raw_input_contents": [bytes(16)]},
            "INVALID_ARGUMENT", "contents beside raw_input_contents",
        ),
        (
            {"inputs": [ONE | {"contents": {"int_contents": [1] * 16}}]},
            "INVALID_ARGUMENT", "has int_contents; expected uint_contents",
        ),
        ({"inputs": [ONE | {"datatype": "FP16"}]}, "INVALID_ARGUMENT", "expected it in raw_input_contents"),
        ({"inputs": [ONE | {"datatype": "UINT9"}]}, "INVALID_ARGUMENT", "expected one of BOOL"),
        ({"inputs": [ONE | {"shape": [-1, 4, 4]}]}, "INVALID_ARGUMENT", "none negative"),
        (
            {"inputs": [ONE | {"contents": {"uint_contents": [256] * 16}}]},
            "INVALID_ARGUMENT", "UINT8 holds 0 to 255",
        ),
        (
            {"inputs": [ONE | {"contents": BYTES}], "outputs": [{"name": "labels"}]},
            "INVALID_ARGUMENT", 'did you mean "label"?',
        ),
        (
            {"inputs": [ONE | {"contents": BYTES}], "parameters": {"task": {"bool_param": True}}},
            "INVALID_ARGUMENT", "task",
        ),
    ],
)  # fmt: skip
def test_a_bad_call_ends_with_a_code_and_says_what_was_expected(
    caller: Caller, fields: dict[str, Any], code: str, text: str
) -> None:
    found, details = caller.refused("ModelInfer", **{"model_name": MODEL} | fields)
    assert found == code
    assert text in details


def test_a_crash_is_internal_and_tells_no_details(
    caller: Caller, serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamlearner.serving.open_inference.outputs.encode", lambda *_: 1 / 0)
    found = caller.refused("ModelInfer", model_name=MODEL, inputs=[ONE | {"contents": BYTES}])
    assert found == ("INTERNAL", "internal error; the daemon's log has the details")
    assert "division by zero" in caplog.text


def fields_of(method: str) -> dict[str, Any]:
    if method == "ModelInfer":
        return {"model_name": MODEL, "inputs": [ONE | {"contents": BYTES}]}
    return {"name": MODEL} if method in ("ModelReady", "ModelMetadata") else {}


@pytest.mark.parametrize("method", ROLES)
def test_a_method_answers_to_its_role_and_to_no_other(
    make_serving: MakeServing, tmp_path: Path, method: str
) -> None:
    files = {role: [tmp_path / role] for role in Role}
    for role, (path,) in files.items():
        path.write_text(f"{role}-1\n")
    serving = make_serving(grpc_port=0, token_files=files)
    serving.refresh(tiny_predictor())
    serving.start()
    caller, needed = Caller(serving), ROLES[method]
    if needed is None:
        caller.call(method, **fields_of(method))
    else:
        assert caller.refused(method, **fields_of(method))[0] == "UNAUTHENTICATED"
        assert caller.refused(method, "wrong", **fields_of(method)) == ("PERMISSION_DENIED", "wrong token")
    for role in Role:
        if needed in (None, role):
            caller.call(method, f"{role}-1", **fields_of(method))
        else:
            assert caller.refused(method, f"{role}-1", **fields_of(method))[0] == "PERMISSION_DENIED"
    caller.channel.close()


def test_calls_are_counted_by_method_and_code(caller: Caller, metrics: Metrics) -> None:
    caller.call("ModelInfer", **fields_of("ModelInfer"))
    caller.refused("ModelInfer", model_name="other")
    exposed = metrics.exposition().decode()
    assert 'streamlearner_grpc_requests_total{code="OK",method="ModelInfer"} 1.0' in exposed
    assert 'streamlearner_grpc_requests_total{code="NOT_FOUND",method="ModelInfer"} 1.0' in exposed
    assert 'streamlearner_predictions_total{route="hippocampus"} 1.0' in exposed


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


def test_the_compiled_definition_is_that_of_the_text() -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is missing: pip install 'streamlearner[test]'")
    from tests.support.protocol import FOLDER, compiled

    assert (FOLDER / COMPILED).read_bytes() == compiled(), "run `make proto`"


def test_every_field_is_that_of_the_definition_that_clients_have() -> None:
    from tritonclient.grpc import service_pb2

    theirs = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
    for method, classes in Messages().methods().items():
        known = theirs[method]
        for ours, other in zip(classes, (known.input_type, known.output_type), strict=True):
            compare(ours.DESCRIPTOR, other)


def compare(ours: Any, theirs: Any) -> None:
    """Every field that both know, and those of its messages; ours has one more, of MLServer's definition."""
    own = {"parameters"} if ours.name == "ModelMetadataResponse" else set()
    assert {field.name for field in ours.fields} - own == {field.name for field in theirs.fields}, ours.name
    for field in ours.fields:
        if field.name in own:
            continue
        other = theirs.fields_by_name[field.name]
        assert (field.number, field.type) == (other.number, other.type), f"{ours.name}.{field.name}"
        if field.message_type is not None:
            compare(field.message_type, other.message_type)
