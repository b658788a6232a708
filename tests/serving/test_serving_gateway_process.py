"""The process of the gateway: it comes and goes, and the daemon goes on without it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from streamlearner.gateway import frames, sockets
from streamlearner.serving import lending
from streamlearner.serving.lending import start
from tests.serving.conftest import MakeServing
from tests.support.lent_connections import Connect, ask, command_of, gateways, lend, started
from tests.support.patience import wait_until
from tests.support.serving_fakes import tiny_predictor


def test_where_the_gateway_dies_the_daemon_goes_on(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving)
    one = lend(serving, connect(serving))
    os.kill(*gateways(), signal.SIGKILL)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        for _ in range(1_000):
            ask(one)
    assert [ask(connect(serving))[0] for _ in range(5)] == [200] * 5
    wait_until(lambda: serving.lent == 0 and not gateways(), "forgotten")


def test_where_the_gateway_hangs_its_connections_end_and_another_one_takes_over(
    make_serving: MakeServing,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    serving = started(make_serving)
    one = lend(serving, connect(serving))
    (hanging,) = gateways()
    os.kill(hanging, signal.SIGSTOP)
    monkeypatch.setattr(lending, "AGAIN_S", 0.0)
    monkeypatch.setattr(lending, "BEAT_S", 0.05)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(one)
    wait_until(lambda: hanging not in gateways() and serving.lent == 0, "killed")
    assert "the gateway does not answer" in caplog.text
    monkeypatch.setattr(lending, "BEAT_S", 1.0)
    lend(serving, connect(serving))
    assert hanging not in gateways()


def test_one_that_hangs_before_it_ever_answered_is_ended_too(
    make_serving: MakeServing, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lending, "BEAT_S", 0.02)
    serving = started(make_serving)
    one = connect(serving)
    wait_until(lambda: ask(one)[0] == 200 and gateways(), "begun")
    (hanging,) = gateways()
    os.kill(hanging, signal.SIGSTOP)
    wait_until(lambda: hanging not in gateways(), "killed")
    assert ask(connect(serving))[0] == 200


def test_it_ends_with_the_daemon_and_leaves_nothing(make_serving: MakeServing, connect: Connect) -> None:
    serving = started(make_serving)
    one = lend(serving, connect(serving))
    serving.stop()
    assert not gateways()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(one)


def test_it_ends_where_the_daemon_was_killed() -> None:
    passing, theirs = sockets.pair()
    speaking, speaks = socket.socketpair()
    limits = {"message_bytes": 1, "pixels": 1, "channels": 1, "missing": None}
    settings = {
        "max_bytes": 9,
        "max_batch": 1,
        "limits": limits,
        "headers": [],
        "unusual": [],
        "write_timeout_s": 30.0,
    }
    with passing, speaking:
        with theirs, speaks:
            process = start(settings, passing=theirs.fileno(), speaking=speaks.fileno())
        assert wait_until(lambda: received(passing), "ready") == ["ready"]
        assert sockets.send(passing, ["alive"])
        assert wait_until(lambda: received(passing), "an answer") == ["alive"]
        assert process.poll() is None
    assert process.wait(timeout=60.0) == 0


def received(passing: socket.socket) -> list[Any] | None:
    try:
        found = sockets.receive(passing)
    except BlockingIOError:
        return None
    return found[0] if found else None


def test_no_secret_of_the_daemon_is_in_its_environment(
    make_serving: MakeServing, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMLEARNER_SERVING__TOKEN", "s3cret")
    serving = started(make_serving)
    lend(serving, connect(serving))
    (gateway,) = gateways()
    assert b"s3cret" not in Path(f"/proc/{gateway}/environ").read_bytes() + command_of(gateway)


def test_what_it_says_that_is_no_question_ends_it_and_the_daemon_goes_on(
    make_serving: MakeServing, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "groups", lambda message: [][0])
    serving = started(make_serving)
    one = connect(serving)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        for _ in range(100_000):
            ask(one)
    wait_until(lambda: not gateways() and serving.lent == 0, "forgotten")
    assert ask(connect(serving))[0] == 200


def test_a_gateway_that_is_still_being_started_when_all_ends_does_not_stay(
    make_serving: MakeServing, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slow(*given: Any, **named: Any) -> Any:
        begun.set()
        assert goes_on.wait(60.0)
        return start(*given, **named)

    monkeypatch.setattr(lending, "start", slow)
    before = gateways()
    serving = started(make_serving)
    one = connect(serving)
    for _ in range(4):
        ask(one)
    assert begun.wait(60.0)
    serving.stop()
    goes_on.set()
    wait_until(lambda: not [each for each in threading.enumerate() if each.name == "gateway"], "it ends")
    assert gateways() == before


def test_a_name_too_long_to_be_passed_on_stays_with_the_daemon(
    make_serving: MakeServing, connect: Connect
) -> None:
    serving = started(make_serving, allowed_hosts=["*"])
    one = lend(serving, connect(serving))
    wait_until(lambda: serving.lent == 0, "given back")
    assert {ask(one, host="x" * 5_000)[0] for _ in range(60)} == {200}
    assert serving.lent == 0
    assert lend(serving, connect(serving), host="x" * 500)


def test_without_it_no_connection_is_lent(make_serving: MakeServing, connect: Connect) -> None:
    serving = make_serving()
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    serving.start()
    one = connect(serving)
    assert {ask(one)[0] for _ in range(20)} == {200}
    assert serving.lent == 0 and not gateways()
