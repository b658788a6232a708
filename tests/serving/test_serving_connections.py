"""Connections are few, and none waits for ever for its client."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from streamlearner.serving import ConnectionLimits, Serving
from tests.serving.conftest import MakeServing
from tests.support.patience import wait_until
from tests.support.serving_fakes import FakeDaemon, tiny_predictor
from tests.support.sockets import ended

MOST, SOON_S = 6, 0.3
HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n"


@pytest.fixture
def limited(make_serving: MakeServing) -> Serving:
    serving = make_serving(connections=ConnectionLimits(MOST, SOON_S, SOON_S), body_timeout_s=20.0)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    serving.start()
    return serving


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    sockets: list[socket.socket] = []
    yield sockets
    for one in sockets:
        one.close()


def connect(serving: Serving, sockets: list[socket.socket], first: bytes = b"") -> socket.socket:
    sockets.append(socket.create_connection(serving.address, timeout=10.0))
    sockets[-1].sendall(first)
    return sockets[-1]


def live(serving: Serving) -> int:
    host, port = serving.address
    return httpx.get(f"http://{host}:{port}/livez", timeout=10.0, trust_env=False).status_code


@pytest.mark.parametrize("first", [b"", b"GET /livez HTTP/1.1\r\nho"], ids=["nothing", "half of its headers"])
def test_who_sends_no_whole_headers_is_not_waited_for(
    limited: Serving, opened: list[socket.socket], first: bytes
) -> None:
    one = connect(limited, opened, first)
    wait_until(lambda: ended(one), "closed")


def test_who_drips_the_headers_of_a_second_request_is_not_waited_for(
    limited: Serving, opened: list[socket.socket]
) -> None:
    one = connect(limited, opened, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"200" in one.recv(1000)
    began_s = time.monotonic()
    while not ended(one) and time.monotonic() - began_s < 20:
        try:
            one.sendall(b"G")
        except OSError:
            break
        time.sleep(0.05)
    assert time.monotonic() - began_s < 20


def test_a_request_that_is_worked_on_is_waited_for(limited: Serving, opened: list[socket.socket]) -> None:
    one = connect(limited, opened, HEAD)
    time.sleep(3 * SOON_S)
    one.sendall(b"{}        ")
    assert b"HTTP/1.1 400" in one.recv(1000)


def test_one_too_many_takes_the_place_of_the_one_that_was_idle_longest(
    make_serving: MakeServing, opened: list[socket.socket]
) -> None:
    serving = make_serving(connections=ConnectionLimits(MOST))
    serving.start()
    idle = [connect(serving, opened) for _ in range(MOST)]
    time.sleep(0.2)
    assert not any(map(ended, idle))
    assert live(serving) == 200
    wait_until(lambda: ended(idle[0]), "the first is closed")
    assert not any(map(ended, idle[1:]))


def test_hundreds_of_idle_connections_hinder_nobody(limited: Serving, opened: list[socket.socket]) -> None:
    for _ in range(300):
        connect(limited, opened)
    assert live(limited) == 200
    wait_until(lambda: all(map(ended, opened)), "all were closed")


def test_where_all_are_at_work_one_more_is_refused_and_told(
    limited: Serving, opened: list[socket.socket]
) -> None:
    for _ in range(MOST):
        connect(limited, opened, HEAD)
    wait_until(lambda: live_or_none(limited) == 503, "refused")
    for one in opened:
        one.sendall(b"{}        ")
    wait_until(lambda: live_or_none(limited) == 200, "there is room again")


def live_or_none(serving: Serving) -> int | None:
    try:
        return live(serving)
    except httpx.HTTPError:
        return None


def test_who_does_not_read_the_answer_is_not_waited_for(
    limited: Serving, opened: list[socket.socket], daemon: FakeDaemon
) -> None:
    daemon.figures["large"] = "x" * 20_000_000
    one = connect(limited, opened, b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n")
    before = threading.active_count()
    time.sleep(5 * SOON_S)
    read = 0
    with pytest.raises((ConnectionError, EOFError)):
        while True:
            part = one.recv(1 << 20)
            read += len(part)
            if not part:
                raise EOFError
    assert read < 20_000_000
    assert threading.active_count() <= before


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_who_asks_for_another_protocol_is_answered_in_this_one_and_writes_no_log(
    limited: Serving, opened: list[socket.socket], caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    asked = f"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n"
    one = connect(limited, opened, asked.encode())
    assert one.recv(1000).startswith(b"HTTP/1.1 200")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
