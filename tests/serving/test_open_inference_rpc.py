"""Calls of the gRPC port that no client makes: lists of values, bad calls, roles; and its definition."""

from __future__ import annotations

import json
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamlearner.serving import ConnectionLimits, Role, Serving
from streamlearner.serving.open_inference.rpc import ROLES
from streamlearner.serving.open_inference.rpc_messages import COMPILED, Messages
from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.support.grpc_calls import MODEL, Caller, started
from tests.support.patience import wait_until
from tests.support.serving_fakes import picture, tiny_predictor
from tests.support.sockets import ended

pytest.importorskip("tritonclient.grpc", reason="tritonclient is missing: pip install 'streamlearner[test]'")


@pytest.fixture
def serving(make_serving: MakeServing) -> Serving:
    return started(make_serving)


@pytest.fixture
def caller(serving: Serving) -> Iterator[Caller]:
    caller = Caller(serving)
    yield caller
    caller.channel.close()


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


def test_one_client_has_so_many_connections_and_others_have_theirs(make_serving: MakeServing) -> None:
    serving = started(make_serving, connections=ConnectionLimits(most=20, per_client=3))
    assert serving.grpc_address is not None
    caller = Caller(serving)
    assert caller.call("ServerLive").live
    crowd = [socket.create_connection(serving.grpc_address) for _ in range(6)]
    other = [
        socket.create_connection(serving.grpc_address, source_address=("127.0.0.2", 0)) for _ in range(3)
    ]
    wait_until(lambda: sum(map(ended, crowd)) >= 4, "those of one client beyond its limit are closed")
    assert caller.call("ServerLive").live, "the oldest stays"
    assert (sum(map(ended, crowd)), sum(map(ended, other))) == (4, 0)
    caller.channel.close()
    for connection in (*crowd, *other):
        connection.close()


def test_few_descriptors_are_not_all_for_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    limits = ConnectionLimits()
    assert (limits.affordable(), limits.for_one()) == (96, 48)
    assert (limits.affordable(share=4), limits.for_one(share=4)) == (48, 24)


def test_connections_are_bounded_and_a_silent_one_makes_room(make_serving: MakeServing) -> None:
    serving = started(make_serving, connections=ConnectionLimits(most=4, header_timeout_s=1.0))
    assert serving.grpc_address is not None
    silent = [socket.create_connection(serving.grpc_address) for _ in range(7)]
    wait_until(lambda: sum(map(ended, silent)) == 3, "those beyond the limit are closed")
    wait_until(lambda: all(map(ended, silent)), "those that never speak are closed")
    caller = Caller(serving)
    wait_until(lambda: caller.call("ServerLive").live, "there is room again")
    caller.channel.close()
    for connection in silent:
        connection.close()
