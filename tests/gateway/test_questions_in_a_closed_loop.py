"""Of clients that ask again as soon as they are answered, none goes alone before the others."""

from __future__ import annotations

from typing import Any

import pytest

from streamlearner.gateway.questions import ENOUGH, GATHER_S
from streamlearner.gateway.returning import DISTRUSTED, PROMPT_S, PROVEN
from tests.support.asked_questions import Daemon, ask, sizes

CLOSED_LOOP = (1, 2, 3)


def looping(daemon: Daemon, heard: list[Any], *, times: int = PROVEN + 1, pause_s: float = 0.0) -> None:
    """Clients that ask again so long after each answer, until they have done so often enough to be known."""
    for _ in range(times):
        for number in CLOSED_LOOP:
            ask(daemon, heard, number, connection=number)
        daemon.wait(GATHER_S)
        while daemon.asked:
            daemon.answer()
        daemon.now_s += pause_s
    heard.clear()


def test_the_first_of_clients_in_a_closed_loop_waits_for_the_others() -> None:
    daemon, heard = Daemon(), list[Any]()
    looping(daemon, heard)
    for number in CLOSED_LOOP:
        assert daemon.asked == []
        ask(daemon, heard, number, connection=number)
        daemon.turn()
    assert sizes(daemon) == [[3]]
    daemon.answer()
    assert sorted(heard) == [[1], [2], [3]]


def test_nobody_waits_for_others_longer_than_a_moment() -> None:
    daemon, heard = Daemon(), list[Any]()
    looping(daemon, heard)
    ask(daemon, heard, 1, connection=1)
    daemon.wait(GATHER_S / 2)
    assert daemon.asked == []
    ask(daemon, heard, 2, connection=2)
    daemon.wait(GATHER_S / 2)
    assert sizes(daemon) == [[2]]


def test_who_was_waited_for_in_vain_is_not_waited_for_again_soon() -> None:
    daemon, heard = Daemon(), list[Any]()
    looping(daemon, heard)
    ask(daemon, heard, 1, connection=1)
    daemon.wait(GATHER_S)
    daemon.answer()
    for number in (2, 3):
        ask(daemon, heard, number, connection=number)
    daemon.wait(GATHER_S)
    daemon.answer()
    for _ in range(DISTRUSTED):
        ask(daemon, heard, 1, connection=1)
        daemon.turn()
        assert sizes(daemon) == [[1]]
        daemon.answer()
        for number in (2, 3):
            ask(daemon, heard, number, connection=number)
        daemon.wait(GATHER_S)
        daemon.answer()


@pytest.mark.parametrize("pause_s", [PROMPT_S, 1.0])
def test_clients_that_think_before_they_ask_again_are_asked_for_at_once(pause_s: float) -> None:
    daemon, heard = Daemon(), list[Any]()
    looping(daemon, heard, times=PROVEN + 5, pause_s=pause_s)
    ask(daemon, heard, 1, connection=1)
    daemon.turn()
    assert sizes(daemon) == [[1]]


def test_nobody_waits_for_a_client_that_left_or_was_silent() -> None:
    daemon, heard = Daemon(), list[Any]()
    looping(daemon, heard)
    for number in (2, 3):
        daemon.questions.left(number)
    ask(daemon, heard, 1, connection=1)
    daemon.turn()
    assert sizes(daemon) == [[1]]
    daemon.answer()
    daemon.now_s += 2 * PROMPT_S
    ask(daemon, heard, 9, connection=9)
    daemon.turn()
    assert sizes(daemon) == [[1]]


def test_a_client_alone_never_waits() -> None:
    daemon, heard = Daemon(), list[Any]()
    for _ in range(10):
        ask(daemon, heard, 1, connection=1)
        daemon.turn()
        assert sizes(daemon) == [[1]]
        daemon.answer()
    assert daemon.timers == []


def test_a_crowd_waits_for_nobody() -> None:
    daemon, heard = Daemon(), list[Any]()
    looping(daemon, heard)
    for _ in range(ENOUGH):
        assert daemon.later == []
        ask(daemon, heard, 1)
    daemon.turn()
    assert sizes(daemon) == [[ENOUGH]]
