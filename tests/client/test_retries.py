"""What is sent again, when, and what never is."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from streamlearner.client import AsyncClient, Busy, Client, NoDaemon, NotReady, Refused, Retries
from streamlearner.client.errors import retry_after_s

EXAMPLE: Any = {"input": [1.0], "label": 1}
NAMED: Any = EXAMPLE | {"id": "a"}
FULL = httpx.Response(429, json={"error": "full"}, headers={"retry-after": "2"})
NOT_READY = httpx.Response(503, json={"error": "no model answers yet"}, headers={"retry-after": "1"})
DONE = httpx.Response(200, json={})

ASKED: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "predict": (lambda client: client.predict([[1.0]]), True),
    "push of examples with ids": (lambda client: client.push([NAMED, NAMED]), True),
    "push of an example without one": (lambda client: client.push([NAMED, EXAMPLE]), False),
    "push that may be repeated": (lambda client: client.push([EXAMPLE], repeatable=True), True),
    "label": (lambda client: client.label("a", 1), True),
    "status": (lambda client: client.status(), True),
    "erase": (lambda client: client.erase("a"), True),
    "erase of a label": (lambda client: client.erase_label("a"), False),
    "sleep": (lambda client: client.sleep(), False),
    "rollback": (lambda client: client.rollback(2), False),
}


class Line:
    """Answers in their order, or breaks where there stands an error; notes requests and waits."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def client(self, **settings: Any) -> Client:
        transport = httpx.MockTransport(self.handle)
        return Client("here:1", token="", transport=transport, sleep=self.waits.append, **settings)


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("answer", [FULL, NOT_READY, httpx.Response(502), httpx.ReadTimeout("")], ids=str)
def test_only_what_may_be_repeated_is_sent_again(what: str, answer: httpx.Response | Exception) -> None:
    ask, repeatable = ASKED[what]
    line = Line(answer, answer, DONE)
    if repeatable:
        ask(line.client())
    else:
        with pytest.raises((Refused, NoDaemon)):
            ask(line.client())
    assert len(line.asked) == (3 if repeatable else 1)


@pytest.mark.parametrize("what", ASKED)
def test_anything_is_sent_again_where_no_connection_was_made(what: str) -> None:
    line = Line(httpx.ConnectError("refused"), httpx.ConnectTimeout(""), httpx.PoolTimeout(""), DONE)
    ASKED[what][0](line.client())
    assert len(line.asked) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 415, 500])
def test_what_another_moment_does_not_change_is_told_at_once(status: int) -> None:
    line = Line(httpx.Response(status, json={"error": "no"}))
    with pytest.raises(Refused, match=f"answered {status}: no"):
        line.client().predict([[1.0]])
    assert (len(line.asked), line.waits) == (1, [])


def test_it_waits_as_long_as_the_daemon_says_and_a_little_longer() -> None:
    line = Line(FULL, NOT_READY, DONE)
    line.client().predict([[1.0]])
    assert 2.0 <= line.waits[0] <= 2.5
    assert 1.0 <= line.waits[1] <= 1.25


def test_clients_that_failed_together_do_not_come_back_together() -> None:
    waits = []
    for seed in range(20):
        line = Line(FULL, DONE)
        line.client(retries=Retries(rng=random.Random(seed))).predict([[1.0]])
        waits += line.waits
    assert len(set(waits)) == 20


def test_without_advice_waits_grow_up_to_a_bound() -> None:
    line = Line(httpx.ConnectError("refused"))
    with pytest.raises(NoDaemon):
        line.client(retries=Retries(attempts=8, longest_s=1000)).status()
    bounds = [0.25, 0.5, 1, 2, 4, 8, 8, 8]
    assert len(line.waits) == 8
    assert all(0 <= wait <= bound for wait, bound in zip(line.waits, bounds, strict=True))


def test_attempts_are_bounded() -> None:
    line = Line(NOT_READY)
    with pytest.raises(NotReady, match="no model answers yet"):
        line.client(retries=Retries(attempts=3)).predict([[1.0]])
    assert len(line.asked) == 4


def test_it_does_not_wait_longer_in_all_than_it_may() -> None:
    line = Line(httpx.Response(429, json={"error": "full"}, headers={"retry-after": "20"}))
    with pytest.raises(Busy) as caught:
        line.client(retries=Retries(attempts=100, longest_s=50)).predict([[1.0]])
    assert sum(line.waits) <= 50
    assert len(line.asked) == 3
    assert caught.value.retry_after_s == 20.0


@pytest.mark.parametrize(
    ("header", "expected"),
    [("3", 3.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-1", None), ("9" * 400, 999999999999.0),
     (f"Fri, 31 Dec {'9' * 30} 00:00:00 GMT", None)],
)  # fmt: skip
def test_advice_is_a_number_of_seconds(header: str, expected: float | None) -> None:
    assert retry_after_s(header, now=datetime.now(UTC)) == expected


def test_advice_may_be_a_date() -> None:
    now = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
    assert retry_after_s(format_datetime(now.replace(second=30), usegmt=True), now=now) == 30.0
    assert retry_after_s(format_datetime(now.replace(hour=11), usegmt=True), now=now) == 0.0


def test_the_asynchronous_client_sends_again_by_the_same_rules() -> None:
    line = Line(FULL, httpx.ReadTimeout(""), DONE)

    async def ask() -> Any:
        transport = httpx.MockTransport(line.handle)
        async with AsyncClient("here:1", token="", transport=transport, sleep=wait) as client:
            await client.predict([[1.0]])
            line.answers = [FULL]
            with pytest.raises(Busy):
                await client.push([EXAMPLE])

    async def wait(seconds: float) -> None:
        line.waits.append(seconds)

    asyncio.run(ask())
    assert len(line.asked) == 4
    assert 2.0 <= line.waits[0] <= 2.5


def test_both_clients_have_the_same_calls() -> None:
    def calls(kind: type) -> dict[str, Any]:
        found = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
        return {
            name: [str(each) for each in inspect.signature(member).parameters.values()]
            for name, member in found.items()
            if inspect.isfunction(member) and name != "send"
        }

    assert calls(Client) == calls(AsyncClient)
    assert len(calls(Client)) > 15
