"""Predictions that are asked for while others are being answered go to the gateway at once."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from streamlearner.gateway.requests import MEANS_SOMETHING
from streamlearner.serving import Serving
from streamlearner.serving.crowd import CROWD, DISAPPOINTED_S, MOST_HOSTS, Crowd
from tests.serving.conftest import MakeServing
from tests.support.lent_connections import Connect, ask, lend, started
from tests.support.patience import wait_until
from tests.support.serving_fakes import picture

HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: %s\r\ncontent-length: 20\r\n"


def request(*more: bytes, host: bytes = b"here") -> bytes:
    return HEAD % host + b"".join(line + b"\r\n" for line in more) + b"\r\n{"


def crowd(*, waiting: int = CROWD, now_s: list[float] | None = None) -> Crowd:
    now = now_s if now_s is not None else [0.0]
    made = Crowd(max_bytes=1000, unusual=MEANS_SOMETHING, clock=lambda: now[0])
    made.admits(b"here")
    for number in range(waiting):
        made.asks(number, request())
    return made


def test_in_a_crowd_a_plain_request_goes_on_by_the_name_that_it_calls_the_daemon() -> None:
    assert crowd().host_of(request()) == b"here"


@pytest.mark.parametrize(
    "data",
    [
        request(host=b"elsewhere"), request(b"connection: close"), request(b"origin: http://x"),
        request()[:30], b"GET /livez HTTP/1.1\r\nhost: here\r\n\r\n", request().replace(b"20", b"2000"),
    ],
)  # fmt: skip
def test_what_the_gateway_would_give_back_stays(data: bytes) -> None:
    assert crowd().host_of(data) is None


def test_few_are_no_crowd_and_who_was_answered_is_not_of_it() -> None:
    assert crowd(waiting=CROWD - 1).host_of(request()) is None
    found = crowd()
    found.asks("another path", b"POST /v1/labels HTTP/1.1\r\n\r\n")
    found.answered(0)
    assert found.host_of(request()) is None


def test_after_the_gateway_gave_something_back_none_goes_for_a_while() -> None:
    now_s = [0.0]
    found = crowd(now_s=now_s)
    found.is_disappointed()
    assert found.host_of(request()) is None
    now_s[0] = DISAPPOINTED_S
    assert found.host_of(request()) == b"here"


def test_few_names_of_the_daemon_are_known_the_newest_of_all() -> None:
    found = crowd()
    for number in range(MOST_HOSTS):
        found.admits(b"%d" % number)
    assert found.host_of(request()) is None
    assert found.host_of(request(host=b"0")) == b"0"


@contextmanager
def unfinished(serving: Serving, count: int) -> Iterator[None]:
    """So many requests whose body has not come."""
    head = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"
    with ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(socket.create_connection(serving.address, timeout=30.0)).sendall(head)
        yield


def test_the_first_request_of_a_connection_is_the_gateways_while_others_wait(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = started(make_serving)
    lend(serving, connect(serving))

    def is_lent() -> bool:
        before, one = serving.lent, connect(serving)
        assert ask(one, {"inputs": [picture(1), picture(2)]})[0] == 200
        return serving.lent > before

    assert not is_lent()
    with unfinished(serving, CROWD):
        wait_until(is_lent, "lent", every_s=0.02)


def test_a_body_that_comes_later_and_what_is_unusual_after_all_are_answered(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = known_by_name(make_serving, connect)
    body = json.dumps({"inputs": [picture(1)], "task": 1.5}).encode()  # only the daemon says what is wrong

    def was_lent() -> bool:
        one = connect(serving)
        one.putrequest("POST", "/v1/predict")
        one.putheader("content-length", str(len(body)))
        one.endheaders()
        assert one.sock is not None
        lent = is_lent_soon(serving)
        one.send(body)
        assert one.getresponse().status == 400
        return lent

    with unfinished(serving, CROWD):
        wait_until(was_lent, "lent", every_s=0.02)


def known_by_name(make_serving: MakeServing, connect: Connect) -> Serving:
    """One that answered by the name that it is called, and has lent nothing any more."""
    serving = started(make_serving)
    lend(serving, connect(serving))
    wait_until(lambda: serving.lent == 0, "given back")
    return serving


def is_lent_soon(serving: Serving) -> bool:
    for _ in range(50):
        if serving.lent:
            return True
        time.sleep(0.01)
    return False


def test_a_connection_of_the_crowd_still_ends_when_its_client_does(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = known_by_name(make_serving, connect)

    def comes_and_goes() -> bool:
        one: http.client.HTTPConnection = connect(serving)
        assert ask(one)[0] == 200
        lent = serving.lent > 0
        one.close()
        return lent

    with unfinished(serving, CROWD):
        wait_until(comes_and_goes, "lent", every_s=0.02)
        wait_until(lambda: serving.lent == 0, "ended")
