"""No work is begun for a client that has left."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamlearner.serving import Serving
from tests.serving.conftest import MakeServing
from tests.support.patience import wait_until
from tests.support.serving_fakes import FakeDaemon, tiny_predictor

WAITING = 5


@pytest.fixture
def gate(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The learning thread is busy until it is set; `daemon.asked` names whom it then works for."""
    free = threading.Event()

    def shown(per_class: int, timeout_s: float, left: Callable[[], bool]) -> list[Any]:
        daemon.asked.append(per_class)
        free.wait(20.0)
        return []

    monkeypatch.setattr(daemon, "recollections", shown)
    yield free
    free.set()


@pytest.fixture
def running(make_serving: MakeServing) -> Serving:
    serving = make_serving(prediction_threads=1)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    serving.start()
    return serving


def asks(serving: Serving, path: str) -> socket.socket:
    one = socket.create_connection(serving.address, timeout=10.0)
    one.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    return one


def test_who_leaves_before_a_thread_is_free_is_not_worked_for(
    running: Serving, daemon: FakeDaemon, gate: threading.Event
) -> None:
    held = [asks(running, "/v1/recollections?per_class=1") for _ in range(2)]
    wait_until(lambda: daemon.asked == [1, 1], "both threads are busy")
    left = [asks(running, "/v1/recollections?per_class=2") for _ in range(WAITING)]
    stays = asks(running, "/v1/recollections?per_class=3")
    time.sleep(0.3)
    for one in left:
        one.close()
    time.sleep(0.3)
    gate.set()
    assert b"200 OK" in stays.recv(1000)
    assert sorted(daemon.asked) == [1, 1, 3]
    for one in (*held, stays):
        one.close()


def test_places_of_those_who_left_are_free_again(
    running: Serving, daemon: FakeDaemon, gate: threading.Event
) -> None:
    held = [asks(running, "/v1/recollections?per_class=1") for _ in range(2)]
    wait_until(lambda: daemon.asked == [1, 1], "both threads are busy")
    for _ in range(5):  # 6 may wait: more than that come and go
        for one in [asks(running, "/v1/recollections?per_class=2") for _ in range(WAITING)]:
            time.sleep(0.02)
            one.close()
        time.sleep(0.2)
    stays = asks(running, "/v1/recollections?per_class=3")
    time.sleep(0.2)
    gate.set()
    assert b"200 OK" in stays.recv(1000)
    for one in (*held, stays):
        one.close()


def test_work_under_way_is_told_that_its_client_has_left(
    running: Serving, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()

    def shown(per_class: int, timeout_s: float, left: Callable[[], bool]) -> list[Any]:
        began_s = time.monotonic()
        while not left() and time.monotonic() - began_s < 20:
            time.sleep(0.01)
        if left():
            told.set()
        raise TimeoutError

    monkeypatch.setattr(daemon, "recollections", shown)
    one = asks(running, "/v1/recollections")
    time.sleep(0.2)
    assert not told.is_set()
    one.close()
    assert told.wait(20.0)


def test_examples_whose_client_has_left_while_they_waited_are_not_taken(
    running: Serving, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, begun = threading.Event(), threading.Semaphore(0)
    taken = daemon.ingest

    def slowly(examples: list[Any]) -> Any:
        begun.release()
        free.wait(20.0)
        return taken(examples)

    monkeypatch.setattr(daemon, "ingest", slowly)
    body = b'{"examples": [{"input": [[1,1,1,1],[1,1,1,1],[1,1,1,1],[1,1,1,1]], "label": 1}]}'
    head = f"POST /v1/examples HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    def push() -> socket.socket:
        one = socket.create_connection(running.address, timeout=10.0)
        one.sendall(head + body)
        return one

    held = [push() for _ in range(32)]  # as many as there are threads
    for _ in held:
        assert begun.acquire(timeout=20.0)
    waiting = push()
    time.sleep(0.2)
    waiting.close()
    time.sleep(0.2)
    free.set()
    assert all(b"202" in one.recv(1000) for one in held)
    assert len(daemon.log) == 32
    for one in held:
        one.close()
