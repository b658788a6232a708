from __future__ import annotations

import socket
import sys
import threading
import time

import httpx
import pytest

from streamlearner.errors import ConfigError
from streamlearner.serving import Serving
from streamlearner.serving.listener import bind
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, picture, tiny_predictor


def test_port_zero_picks_a_free_one(serving: Serving, wire: httpx.Client) -> None:
    assert serving.address[1] > 0
    assert wire.get("/livez").json() == {"live": True}


def test_a_port_in_use_is_an_error_that_says_so(serving: Serving, wire: httpx.Client) -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on .*:\d+: Address already in use; set serving"):
        bind(*serving.address)


def test_a_host_that_is_not_of_this_machine_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0: .*; set serving"):
        bind("192.0.2.1", 0)


def test_learning_has_its_switch_interval_back_after_the_stop(serving: Serving) -> None:
    before = sys.getswitchinterval()
    serving.start()
    assert sys.getswitchinterval() < before
    serving.stop()
    assert sys.getswitchinterval() == before


def test_stop_frees_the_port_and_may_be_repeated(serving: Serving, wire: httpx.Client) -> None:
    assert wire.get("/livez").status_code == 200
    serving.stop()
    serving.stop()
    with socket.create_server(serving.address):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "serving"]


def test_a_request_under_way_is_answered_before_the_port_is_freed(
    serving: Serving, wire: httpx.Client, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def slowly(per_class: int, timeout_s: float, left: object) -> list[object]:
        begun.set()
        time.sleep(0.3)
        return []

    monkeypatch.setattr(daemon, "recollections", slowly)
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(wire.get("/v1/recollections").status_code))
    asking.start()
    assert begun.wait(5.0)
    serving.stop()
    asking.join(5.0)
    assert answers == [200]


def test_a_body_that_is_too_large_is_refused_before_it_is_read(make_serving: MakeServing) -> None:
    serving = make_serving(max_body_bytes=1000)
    serving.start()
    head = (
        "POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Expect: 100-continue\r\nContent-Length: {}\r\n\r\n"
    )
    for stated in ("1001", "9" * 30):
        with socket.create_connection(serving.address, timeout=5.0) as connection:
            connection.sendall(head.format(stated).encode())
            answer = connection.recv(4096).decode()
        assert answer.split("\r\n")[0].startswith(("HTTP/1.1 413", "HTTP/1.1 400"))
    assert "100 Continue" not in answer


def test_a_client_that_writes_a_large_body_anyway_reads_the_413(make_serving: MakeServing) -> None:
    serving = make_serving(max_body_bytes=100_000)
    serving.start()
    host, port = serving.address
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=10.0, trust_env=False) as client:
        stated = client.post("/v1/predict", content=b"x" * 3_000_000)
        chunked = client.post("/v1/examples", content=(b"x" * 10_000 for _ in range(100)))
    assert (stated.status_code, chunked.status_code) == (413, 413)
    assert "expected at most 100000 (serving.max_body_bytes)" in stated.json()["error"]


def test_a_body_that_does_not_arrive_is_given_up(make_serving: MakeServing) -> None:
    serving = make_serving(body_timeout_s=0.2)
    serving.start()
    with socket.create_connection(serving.address, timeout=5.0) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode()  # until it is closed
    assert answer.startswith("HTTP/1.1 408")
    assert "did not arrive within 0.2 s" in answer


def test_clients_that_vanish_leave_it_answering(serving: Serving, wire: httpx.Client) -> None:
    for _ in range(20):
        with socket.create_connection(serving.address, timeout=5.0) as connection:
            connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n{")
    assert wire.post("/v1/predict", json={"inputs": [picture(1)]}).status_code == 200


def test_too_many_at_once_are_told_to_come_back(
    make_serving: MakeServing, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = make_serving()
    release = threading.Event()

    def stuck(per_class: int, timeout_s: float, left: object) -> list[object]:
        release.wait(10.0)
        return []

    monkeypatch.setattr(daemon, "recollections", stuck)
    serving.start()
    url = "http://{}:{}/v1/recollections".format(*serving.address)
    codes: list[int] = []

    def ask() -> None:
        answer = httpx.get(url, timeout=10.0, trust_env=False)
        codes.append(answer.status_code)
        if answer.status_code == 429:
            assert answer.headers["retry-after"] == "1"
        if codes.count(429) == 4:  # 2 threads and 6 places before them hold the other 8
            release.set()

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] * 8 + [429] * 4


def test_many_clients_at_once_all_get_their_own_answer(serving: Serving, wire: httpx.Client) -> None:
    labels = {0: "zero", 1: "one", 2: 2}
    wrong: list[object] = []
    ids: set[str] = set()

    def ask(level: int) -> None:
        with httpx.Client(base_url=wire.base_url, timeout=10.0, trust_env=False) as client:
            for _ in range(20):
                answer = client.post("/v1/predict", json={"inputs": [picture(level)]}).json()
                ids.add(answer["prediction_id"])
                if answer["predictions"][0]["label"] != labels[level]:
                    wrong.append(answer)

    threads = [threading.Thread(target=ask, args=(n % 3,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(ids) == 120


def test_the_version_is_zero_before_the_first_model(make_serving: MakeServing) -> None:
    serving = make_serving()
    assert (serving.current, serving.version) == (None, "0")
    serving.refresh(tiny_predictor(adopted=2, examples=5))
    assert serving.version == "2.5"


def test_answers_do_not_wait_for_a_delayed_acknowledgement() -> None:
    """40 ms on every request of a client that keeps its connection."""
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
