from __future__ import annotations

import pytest

from tests.serving.conftest import MakeServing
from tests.support.problems import problem
from tests.support.serving_fakes import FakeDaemon, InProcess

ADMIN = ("/v1/sleep", "/v1/checkpoint", "/v1/rollback", "/v1/transplant")


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/v1/sleep", "sleep"), ("/v1/checkpoint", "checkpoint"), ("/v1/rollback", ("rollback", None))],
)
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_request_is_heard_and_answered_202(
    client: InProcess, daemon: FakeDaemon, path: str, asked: object, body: bytes
) -> None:
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 202
    assert daemon.asked == [asked]


@pytest.mark.parametrize("version", ["3", 2])
def test_a_rollback_goes_to_the_version_that_was_named(
    client: InProcess, daemon: FakeDaemon, version: str | int
) -> None:
    assert client.post("/v1/rollback", json={"version": version}).status_code == 202
    assert daemon.asked == [("rollback", version)]


def test_a_version_that_is_not_kept_is_a_404_with_the_daemon_s_words(client: InProcess) -> None:
    answer = client.post("/v1/rollback", json={"version": "9"})
    assert problem(answer) == (404, "unknown-version", "model version 9 is not kept; kept are 2, 3")


@pytest.mark.parametrize("body", [{"versoin": 3}, {"version": [3]}, {"version": True}, [], 3])
def test_a_rollback_that_is_not_understood_does_nothing(
    client: InProcess, daemon: FakeDaemon, body: object
) -> None:
    assert client.post("/v1/rollback", json=body).status_code == 400
    assert daemon.asked == []


@pytest.mark.parametrize(("body", "steps"), [({"to": "mlp"}, None), ({"to": "mlp", "steps": 50}, 50)])
def test_a_transplant_is_begun_by_another_thread_and_answered_with_its_number(
    client: InProcess, daemon: FakeDaemon, body: dict[str, object], steps: int | None
) -> None:
    answer = client.post("/v1/transplant", json=body)
    assert answer.status_code == 202
    assert answer.json() == {"requested": "transplant", "number": 1, "to": "mlp", "steps": steps or 3000}
    assert daemon.asked == [("transplant", "mlp", steps)]
    assert all(name.startswith("serving-transplants") for name in daemon.threads)


@pytest.mark.parametrize("body", [{}, {"to": 3}, {"to": "mlp", "steps": 0}, {"to": "mlp", "step": 3}])
def test_a_transplant_that_is_not_understood_does_nothing(
    client: InProcess, daemon: FakeDaemon, body: object
) -> None:
    assert client.post("/v1/transplant", json=body).status_code == 400
    assert daemon.asked == []


def test_a_transplant_that_cannot_be_is_answered_with_the_reason(
    client: InProcess, daemon: FakeDaemon
) -> None:
    unknown = client.post("/v1/transplant", json={"to": "lennet"})
    assert (unknown.status_code, "did you mean" in unknown.json()["error"]) == (400, True)
    daemon.full = True
    busy = client.post("/v1/transplant", json={"to": "mlp"})
    assert problem(busy) == (409, "conflict", "the daemon sleeps: ask again once it is awake")
    daemon.stuck = True
    assert client.post("/v1/transplant", json={"to": "mlp"}).status_code == 503


def test_without_a_body_no_media_type_is_needed_and_with_one_json(
    client: InProcess, daemon: FakeDaemon
) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/v1/sleep", headers=form).status_code == 202
    assert client.post("/v1/sleep", content=b"force=1", headers=form).status_code == 415
    assert daemon.asked == ["sleep"]


@pytest.mark.parametrize("path", ADMIN)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Basic c2VjcmV0"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": "Bearer wrong"}, 403),
        ({"authorization": "Bearer secre"}, 403),
        ({"authorization": "Bearer s\xe9cret".encode("latin-1").decode("latin-1")}, 403),
        ({"authorization": "Bearer secret"}, 202),
        ({"authorization": "bearer secret", "origin": "https://elsewhere.example"}, 202),
    ],
)
def test_a_configured_token_is_demanded(
    make_serving: MakeServing, daemon: FakeDaemon, path: str, headers: dict[str, str], status: int
) -> None:
    client = InProcess(make_serving(token="secret"))
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = client.post(path, headers=encoded, json={"to": "mlp"} if path == "/v1/transplant" else None)
    assert answer.status_code == status
    assert bool(daemon.asked) == (status == 202)
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("path", ADMIN)
@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://[", "http://testserver:81"])
def test_a_page_of_another_site_cannot_administer_a_daemon_without_a_token(
    client: InProcess, daemon: FakeDaemon, path: str, origin: str
) -> None:
    assert client.post(path, headers={"origin": origin}).status_code == 403
    assert daemon.asked == []
