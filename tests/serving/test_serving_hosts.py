"""By which names the daemon answers, and which pages of other sites may use it."""

from __future__ import annotations

import socket

import httpx
import pytest

from streamlearner.serving import Role
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, InProcess, picture, tiny_predictor

PATHS = (
    "/livez",
    "/readyz",
    "/",
    "/questions",
    "/dashboard/main.js",
    "/v1/status",
    "/metrics",
    "/v1/nothing",
)
SITE = "https://labels.example.org"


def status(client: httpx.Client, host: str, path: str = "/livez") -> int:
    return client.get(path, headers={"host": host}).status_code


@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_was_made_to_lead_here_gets_no_answer(make_serving: MakeServing, path: str) -> None:
    client = InProcess(make_serving(allowed_hosts=[]))
    answer = client.get(path, headers={"host": "evil.example:8080", "origin": "http://evil.example:8080"})
    assert answer.status_code == 421
    assert answer.json()["error"].startswith(
        "'evil.example:8080' is no name of this daemon; expected localhost"
    )


def test_a_page_under_such_a_name_changes_nothing(make_serving: MakeServing, daemon: FakeDaemon) -> None:
    client = InProcess(make_serving(allowed_hosts=[]))
    headers = {"host": "evil.example", "origin": "http://evil.example"}
    for path in ("/v1/sleep", "/v1/rollback", "/v1/checkpoint"):
        assert client.post(path, headers=headers).status_code == 421
    examples = {"examples": [{"input": picture(1), "label": "one"}]}
    assert client.post("/v1/examples", json=examples, headers=headers).status_code == 421
    assert (daemon.asked, daemon.log) == ([], [])


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1:8080", "[::1]:8080", "[::1]"]
)
def test_loopback_names_are_always_ours(make_serving: MakeServing, host: str) -> None:
    assert status(InProcess(make_serving(allowed_hosts=[])), host) == 200


@pytest.mark.parametrize(
    "host",
    ["localhost.evil.example", "evil.example#localhost", "127.0.0.1.evil.example", "10.0.0.7", "[::2]",
     "[::1", "evil@localhost", "localhost:80:80", "*", "0x7f.1", "localhost, evil.example"],
)  # fmt: skip
def test_what_only_looks_like_one_is_not(make_serving: MakeServing, host: str) -> None:
    assert status(InProcess(make_serving(allowed_hosts=[])), host) == 421


def test_names_may_be_allowed_and_families_of_names(make_serving: MakeServing) -> None:
    client = InProcess(make_serving(allowed_hosts=["Learner", "*.example.org"]))
    for host in ("learner:8080", "a.example.org", "a.b.example.org:80"):
        assert status(client, host) == 200
    for host in ("learner.evil.example", "example.org", "evilexample.org", "example.org.evil.example"):
        assert status(client, host) == 421
    assert status(InProcess(make_serving(allowed_hosts=["*"])), "evil.example") == 200


def test_bound_to_one_address_it_answers_by_that_and_bound_to_all_by_any_address(
    make_serving: MakeServing,
) -> None:
    one = InProcess(make_serving(host="10.0.0.7", allowed_hosts=[]))
    assert [status(one, host) for host in ("10.0.0.7:8080", "10.0.0.8", "evil.example")] == [200, 421, 421]
    named = InProcess(make_serving(host="learner.internal", allowed_hosts=[]))
    assert [status(named, host) for host in ("learner.internal", "evil.example")] == [200, 421]
    for host in ("0.0.0.0", "::"):
        every = InProcess(make_serving(host=host, allowed_hosts=[]))
        assert [status(every, host) for host in ("10.0.0.8:80", "[fe80::1]", "evil.example")] == [
            200,
            200,
            421,
        ]


def test_a_client_of_http_1_0_need_not_name_a_host(make_serving: MakeServing) -> None:
    serving = make_serving(allowed_hosts=[])
    serving.start()
    for request, expected in (
        (b"GET /livez HTTP/1.0\r\n\r\n", b" 200 "),
        (b"GET /livez HTTP/1.0\r\nHost: evil.example\r\n\r\n", b" 421 "),
        (b"GET http://localhost/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", b" 421 "),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b" 400 "),
    ):
        with socket.create_connection(serving.address, timeout=5.0) as connection:
            connection.sendall(request)
            assert expected in connection.recv(4096).partition(b"\r\n")[0]


def test_pages_of_other_sites_may_not_show_what_was_learned(wire: httpx.Client) -> None:
    for path in PATHS:
        answer = wire.get(path)
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_another_site_may_not_ask_for_predictions_either(client: InProcess) -> None:
    answer = client.post("/v1/predict", json={"inputs": [picture(1)]}, headers={"origin": SITE})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/v1/status", "/v1/predict", "/v1/sleep"])
def test_a_site_that_is_allowed_may_use_it_and_no_other_may(make_serving: MakeServing, path: str) -> None:
    serving = make_serving(cors_origins=[SITE])
    serving.refresh(tiny_predictor())
    client = InProcess(serving)
    method = "GET" if path == "/v1/status" else "POST"
    body = {"inputs": [picture(1)]} if path == "/v1/predict" else None
    asks = {
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type",
    }
    assert client.options(path, headers={"origin": SITE} | asks).status_code == 200
    answer = client.request(method, path, json=body, headers={"origin": SITE})
    assert answer.status_code in (200, 202)
    assert answer.headers["access-control-allow-origin"] == SITE
    other = "https://elsewhere.example"
    assert client.options(path, headers={"origin": other} | asks).status_code == 400
    foreign = client.request(method, path, json=body, headers={"origin": other})
    assert "access-control-allow-origin" not in foreign.headers
    assert (foreign.status_code == 403) == (method == "POST")


def test_a_site_that_is_allowed_needs_tokens_as_all_do(make_serving: MakeServing) -> None:
    client = InProcess(make_serving(cors_origins=[SITE], token="secret", open_roles=[Role.TEACH]))
    answer = client.get("/v1/status", headers={"origin": SITE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, SITE)
