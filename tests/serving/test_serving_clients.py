"""No client takes what belongs to all: its connections and its requests are counted."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from streamlearner.serving import ConnectionLimits, Serving, Tls
from streamlearner.serving.clients import RequestRates, client_of
from tests.serving.conftest import MakeServing
from tests.serving.test_serving_connections import ended, live
from tests.support.certificates import Authority
from tests.support.patience import wait_until
from tests.support.serving_fakes import InProcess, picture, tiny_predictor

HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n"


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    sockets: list[socket.socket] = []
    yield sockets
    for one in sockets:
        one.close()


def connect(
    serving: Serving, sockets: list[socket.socket], *, source: str, first: bytes = b""
) -> socket.socket:
    """From another address of the loopback network: another client."""
    sockets.append(socket.create_connection(serving.address, timeout=10.0, source_address=(source, 0)))
    sockets[-1].sendall(first)
    return sockets[-1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.7", "10.0.0.8", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.7", "10.0.0.7", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("testclient", "other", False),
    ],
)
def test_a_client_is_an_address_and_of_ipv6_a_network(one: str, other: str, same: bool) -> None:
    assert (client_of(one) == client_of(other)) == same


def test_one_client_makes_room_for_itself_and_not_at_the_cost_of_others(
    make_serving: MakeServing, opened: list[socket.socket]
) -> None:
    serving = make_serving(connections=ConnectionLimits(6, per_client=3))
    serving.start()
    others = [connect(serving, opened, source="127.0.0.2") for _ in range(3)]
    greedy = [connect(serving, opened, source="127.0.0.3") for _ in range(10)]
    wait_until(lambda: sum(map(ended, greedy)) == 7, "all but three were closed")
    assert [ended(one) for one in greedy] == [True] * 7 + [False] * 3
    assert not any(map(ended, others))


def test_a_client_whose_connections_are_all_at_work_is_told_and_another_is_answered(
    make_serving: MakeServing, opened: list[socket.socket]
) -> None:
    serving = make_serving(connections=ConnectionLimits(6, per_client=3), body_timeout_s=20.0)
    serving.start()
    for _ in range(3):
        assert b"100 Continue" in connect(serving, opened, source="127.0.0.2", first=HEAD).recv(100)
    assert b"503" in connect(serving, opened, source="127.0.0.2").recv(100)
    assert live(serving) == 200


def test_those_that_begin_no_handshake_are_counted_as_well(
    make_serving: MakeServing, opened: list[socket.socket], tmp_path: object
) -> None:
    tls = Tls(*Authority.new(tmp_path / "authority").issue("daemon"))  # type: ignore[operator]
    serving = make_serving(connections=ConnectionLimits(10, per_client=3), tls=tls)
    serving.start()
    silent = [connect(serving, opened, source="127.0.0.2") for _ in range(20)]
    wait_until(lambda: sum(map(ended, silent)) == 14, "twice three may wait")
    others = [connect(serving, opened, source=f"127.0.1.{number}") for number in range(1, 21)]
    wait_until(lambda: sum(map(ended, others)) == 6, "and twice ten of all")


def test_who_asks_too_often_is_told_when_to_come_back_and_is_then_answered(make_serving: MakeServing) -> None:
    serving = make_serving(requests_per_s=0.5)
    serving.refresh(tiny_predictor())
    client = InProcess(serving)
    ask = lambda: client.post("/v1/predict", json={"inputs": [picture(1)]})  # noqa: E731
    assert ask().status_code == 200
    refused = ask()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    assert "serving.max_requests_per_s" in refused.json()["error"]


def test_health_is_always_answered(make_serving: MakeServing) -> None:
    client = InProcess(make_serving(requests_per_s=0.001))
    assert [client.get("/livez").status_code for _ in range(5)] == [200] * 5


def test_refused_tokens_count_as_requests(make_serving: MakeServing) -> None:
    client = InProcess(make_serving(requests_per_s=3.0, token="secret"))
    wrong = [
        client.get("/v1/status", headers={"authorization": "Bearer wrong"}).status_code for _ in range(4)
    ]
    assert wrong == [403, 403, 403, 429]


def test_the_allowance_of_each_client_grows_with_time_and_is_its_own() -> None:
    now_s = [0.0]
    rates = RequestRates(2.0, clock=lambda: now_s[0])
    assert [rates.wait_s("10.0.0.7") for _ in range(3)] == [0.0, 0.0, 0.5]
    assert rates.wait_s("10.0.0.8") == 0.0
    now_s[0] = 0.5
    assert [rates.wait_s("10.0.0.7") for _ in range(2)] == [0.0, 0.5]
    now_s[0] = 100.0
    assert [rates.wait_s("10.0.0.7") for _ in range(3)] == [0.0, 0.0, 0.5]


def test_clients_without_end_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlearner.serving.clients.MOST_CLIENTS", 3)
    rates = RequestRates(1.0, clock=lambda: 0.0)
    for number in range(10):
        assert rates.wait_s(f"10.0.0.{number}") == 0.0
    assert len(rates._left) == 3
    assert [rates.wait_s(f"10.0.0.{number}") for number in (9, 0)] == [1.0, 0.0]
