"""Requests wait for no longer than the passes that are under way, and are then asked together."""

from __future__ import annotations

from typing import Any

import pytest

from streamlearner.gateway.questions import AT_ONCE, ENOUGH, UNDER_WAY
from tests.support.asked_questions import Daemon, ask, sizes


def test_what_comes_in_one_turn_is_asked_together_and_at_once() -> None:
    daemon, heard = Daemon(), list[Any]()
    for level in (1, 2, 3):
        ask(daemon, heard, level)
    daemon.turn()
    assert sizes(daemon) == [[3]]
    daemon.answer()
    assert heard == [[1], [2], [3]]


def test_what_comes_while_a_pass_is_under_way_waits_and_is_asked_together() -> None:
    daemon, heard = Daemon(), list[Any]()
    for level in range(4):
        ask(daemon, heard, level)
        daemon.turn()
    assert sizes(daemon) == [[1]]
    daemon.answer()
    assert sizes(daemon) == [[3]]
    daemon.answer()
    assert heard == [[level] for level in range(4)]


def test_many_inputs_do_not_wait_for_the_pass_that_is_under_way_but_for_those_that_are() -> None:
    daemon, heard = Daemon(), list[Any]()
    ask(daemon, heard, 0)
    daemon.turn()
    for question in range(1, UNDER_WAY + 1):
        ask(daemon, heard, *[question] * (ENOUGH - 1))
        daemon.turn()
        assert len(daemon.asked) == question
        ask(daemon, heard, question)
        daemon.turn()
    assert sizes(daemon) == [[1]] + [[2]] * (UNDER_WAY - 1)
    while daemon.asked:
        daemon.answer()
    assert sum(len(labels) for labels in heard) == 1 + UNDER_WAY * ENOUGH


def test_requests_of_one_task_and_shape_make_a_group() -> None:
    daemon, heard = Daemon(), list[Any]()
    ask(daemon, heard, 1)
    ask(daemon, heard, 2, task="odd")
    ask(daemon, heard, 3, 4)
    ask(daemon, heard, 5, size=3)
    ask(daemon, heard, 6, task=1)
    ask(daemon, heard, 7, task="1")
    daemon.turn()
    assert sizes(daemon) == [[2, 1, 1, 1, 1]]
    daemon.answer()
    assert sorted(heard) == [[1], [2], [3, 4], [5], [6], [7]]


def test_one_question_has_no_more_inputs_than_a_pass_should_take() -> None:
    daemon, heard = Daemon(), list[Any]()
    for _ in range(3):
        ask(daemon, heard, *range(AT_ONCE // 2 + 1))
    ask(daemon, heard, *range(3 * AT_ONCE))
    daemon.turn()
    while daemon.later:
        daemon.turn()
    assert sizes(daemon) == [[1]] * UNDER_WAY
    while daemon.asked:
        assert sizes(daemon)[-1] == [1]
        daemon.answer()
    assert [len(labels) for labels in heard] == [AT_ONCE // 2 + 1] * 3 + [3 * AT_ONCE]


def test_what_cannot_be_passed_on_goes_back_and_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    daemon, heard = Daemon(), list[Any]()
    for _ in range(UNDER_WAY + 1):
        ask(daemon, heard, 1, task=2**70)
        daemon.turn()
    assert heard == [None] * (UNDER_WAY + 1) and "could not be passed on" in caplog.text
    ask(daemon, heard, 2)
    daemon.turn()
    daemon.answer()
    assert heard[-1] == [2]
