"""Every error is a problem document (RFC 9457) that keeps the words where clients of before read them."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import jsonschema
import pytest

from streamlearner.serving import Serving
from streamlearner.serving.connection import REFUSAL
from streamlearner.serving.problem_kinds import BY_STATUS, KINDS, document
from tests.serving.conftest import MakeServing
from tests.support.problems import problem
from tests.support.serving_fakes import FakeDaemon, InProcess, picture, tiny_predictor


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "kind"),
    [
        ("POST", "/v1/predict", {"json": {"inputs": [picture(1, side=5)]}}, 400, "invalid-input"),
        ("GET", "/v1/recollections?per_class=0", {}, 400, "invalid-input"),
        ("GET", "/readyz?exclude=x", {}, 400, "invalid-input"),
        ("DELETE", "/v1/examples", {}, 400, "invalid-input"),
        ("POST", "/v1/sleep", {"headers": {"origin": "http://other.example"}}, 403, "foreign-page"),
        ("GET", "/v1/recollections?label=seven", {}, 404, "unknown-class"),
        ("POST", "/v1/rollback", {"json": {"version": "9"}}, 404, "unknown-version"),
        ("GET", "/v2/models/other", {}, 404, "unknown-model"),
        ("GET", "/v3", {}, 404, "no-such-path"),
        ("PUT", "/v1/status", {}, 405, "method-not-allowed"),
        ("POST", "/v1/labels", {"json": {"prediction_id": "a", "label": 1}}, 409, "labels-not-kept"),
        ("POST", "/v1/predict", {"content": bytes(200_000)}, 413, "too-large"),
        ("POST", "/v1/examples", {"content": b"a", "headers": {"content-type": "a/b"}}, 415, "media-type"),
        ("POST", "/v2/models/streamlearner/infer", {"content": b"{"}, 400, "invalid-input"),
        ("GET", "/v1/status", {"headers": {"host": "rebound.example"}}, 421, "wrong-host"),
    ],
)
def test_an_error_of_any_route_is_a_problem_of_its_kind(
    make_serving: MakeServing, method: str, path: str, sent: dict[str, Any], status: int, kind: str
) -> None:
    serving = make_serving(max_body_bytes=100_000)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    found = problem(InProcess(serving).request(method, path, **sent))
    assert found[:2] == (status, kind)


def test_what_the_daemon_cannot_do_now_is_a_problem_with_its_kind(
    client: InProcess, daemon: FakeDaemon, make_serving: MakeServing
) -> None:
    example = {"examples": [{"input": picture(1), "label": 1}]}
    daemon.full = True
    full = client.post("/v1/examples", json=example)
    assert problem(full) == (429, "backlog-full", "1000 examples wait to be learned")
    assert full.headers["retry-after"] == "3"
    daemon.full, daemon.broken = False, True
    assert problem(client.post("/v1/examples", json=example))[:2] == (503, "unavailable")
    daemon.push, daemon.stuck = False, True
    assert problem(client.post("/v1/examples", json=example))[:2] == (409, "source-not-push")
    assert problem(client.get("/v1/recollections"))[:2] == (503, "busy")
    fresh = InProcess(make_serving())
    assert problem(fresh.post("/v1/predict", json={"inputs": [picture(1)]}))[:2] == (503, "no-model")


def test_a_token_that_is_missing_or_wrong_is_a_problem_of_its_kind(make_serving: MakeServing) -> None:
    client = InProcess(make_serving(token="secret"))
    missing = client.get("/v1/status")
    assert (problem(missing)[:2], missing.headers["www-authenticate"]) == ((401, "token-missing"), "Bearer")
    wrong = client.get("/v1/status", headers={"authorization": "Bearer guess"})
    assert problem(wrong) == (403, "token-wrong", "wrong token")


def test_not_ready_keeps_its_reasons_beside_the_problem(make_serving: MakeServing) -> None:
    client = InProcess(make_serving())
    answer = client.get("/readyz")
    assert problem(answer)[:2] == (503, "not-ready")
    assert (answer.json()["ready"], answer.json()["reasons"].keys()) == (False, {"model"})
    of_protocol = client.get("/v2/health/ready")
    assert problem(of_protocol)[:2] == (503, "not-ready")
    assert (of_protocol.json()["live"], of_protocol.json()["ready"]) == (True, False)


def test_invalid_input_has_the_reason_that_a_rejected_message_would_have(client: InProcess) -> None:
    found = client.post("/v1/predict", json={"inputs": [picture(1, side=5)]}).json()
    assert found["reason"] == "schema"
    assert client.post("/v1/predict", content=b"{").json()["reason"] == "json"


def test_what_is_no_http_is_answered_by_a_problem(serving: Serving) -> None:
    serving.start()
    with socket.create_connection(serving.address, timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\nbad header line\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert problem(parsed(received))[:2] == (400, "invalid-input")


def test_a_connection_too_many_is_refused_by_a_problem() -> None:
    assert problem(parsed(REFUSAL))[:2] == (503, "too-many-connections")
    assert parsed(REFUSAL).headers["retry-after"] == "1"


def parsed(raw: bytes) -> httpx.Response:
    """An answer as it went over the wire."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["content-length"]) == len(body)
    return httpx.Response(int(first.split()[1]), headers=headers, content=body)


def test_a_status_without_a_kind_of_ours_is_told_in_the_words_of_http() -> None:
    found = document(406, "only JSON")
    assert (found["type"], found["title"]) == ("about:blank", "Not Acceptable")
    assert document(599, "what")["title"] == "Error"


def test_every_error_in_the_description_is_of_the_one_form_and_its_examples_are(client: InProcess) -> None:
    described = client.get("/openapi.json").json()
    responses = described["components"]["responses"]
    schema = described["components"]["schemas"]["ProblemDocument"]
    shown: dict[str, str] = {}
    for answer in responses.values():
        (content,) = answer["content"].items()
        assert content[0] == "application/problem+json"
        assert content[1]["schema"] == {"$ref": "#/components/schemas/ProblemDocument"}
        for name, example in content[1].get("examples", {}).items():
            jsonschema.validate(example["value"], schema)
            shown[name] = example["value"]["type"]
    assert shown == {name: f"urn:streamlearner:problem:{name}" for name in KINDS}


def test_every_operation_names_its_errors_and_when_to_ask_again(client: InProcess) -> None:
    described = client.get("/openapi.json").json()
    responses = described["components"]["responses"]
    for path, methods in described["paths"].items():
        for operation in methods.values():
            errors = {status: each for status, each in operation["responses"].items() if status[0] not in "2"}
            assert "default" in errors, path
            assert ("429" in errors) == (operation["x-role"] != "open"), path
            assert all(list(each) == ["$ref"] for each in errors.values()), path
    assert responses["TooManyRequests"]["headers"].keys() == {"Retry-After"}
    assert responses["Unavailable"]["headers"].keys() == {"Retry-After"}
    assert responses["TokenMissing"]["headers"].keys() == {"WWW-Authenticate"}
    assert described["components"]["headers"]["RetryAfter"]["schema"]["type"] == "integer"


def test_every_status_has_a_kind_for_what_is_not_known_better() -> None:
    assert {status: KINDS[name].status for status, name in BY_STATUS.items()} == {
        status: status for status in BY_STATUS
    }
    assert BY_STATUS[404] == "not-found" and BY_STATUS[503] == "unavailable"
