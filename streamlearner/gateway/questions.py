"""Requests that wait for an answer, and what goes to the daemon at once."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

import numpy as np

from streamlearner.gateway.frames import Asker, Group, Reply, Told, packed, replies
from streamlearner.gateway.requests import Query
from streamlearner.gateway.returning import Returning, idle_s

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Inputs in one question, but for a request that has more."""
UNDER_WAY = 2
"""Questions that the daemon has at a time, where `ENOUGH` wait: it begins the next while the answers to the
last are written."""
GATHER_S = 0.002
"""A request waits so long for those of clients in a closed loop that were answered a moment ago: a pass with
eight inputs takes 1.3 times what one with a single input does, and the first of eight requests went alone
before."""
ENOUGH = 16
"""So many inputs are worth a pass of their own: they wait neither for others nor for the answers to the last
question."""
Answered = Callable[[Reply, Told | None], None]


@dataclass(slots=True)
class Waiting:
    """A request: over which connection, what is asked, by whom, and who hears the answer."""

    connection: int
    query: Query
    asker: Asker
    answered: Answered


@dataclass(slots=True)
class Questions:
    """The first request is asked at once, with all others that came in the same turn of the event loop, or,
    where others will come any moment (`Returning`), with those that come within `GATHER_S`. While the daemon
    has a question, which it answers before any other, more requests wait and are asked together: none waits
    for longer than that and those passes take.

    `soon` calls in the next turn of the event loop, `later` after so many seconds; what it returns can be
    cancelled."""

    write: Callable[[bytes], None]
    soon: Callable[[Callable[[], None]], Any]
    later: Callable[[float, Callable[[], None]], Any]
    clock: Callable[[], float] = idle_s
    _waiting: deque[Waiting] = field(default_factory=deque)
    _asked: dict[int, list[list[Waiting]]] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _is_due: bool = False
    _gathering: Any = None  # what ends it
    _returning: Returning = field(init=False)

    def __post_init__(self) -> None:
        self._returning = Returning(self.clock)

    def ask(self, connection: int, query: Query, asker: Asker, answered: Answered) -> None:
        self._returning.asks(connection)
        self._waiting.append(Waiting(connection, query, asker, answered))
        self._ask_soon()

    def left(self, connection: int) -> None:
        """It is no more, or no longer here: nobody waits for its next request."""
        self._returning.left(connection)

    def hear(self, message: Any) -> None:
        """The daemon's reply."""
        number, found = message
        for reply, members in zip(replies(found), self._asked.pop(number), strict=True):
            for told, member in zip(reply.told, members, strict=True):
                self._returning.answered(member.connection)
                member.answered(reply, told)
        self._ask_soon()

    def _ask_soon(self) -> None:
        if self._is_due or not self._is_worth_a_pass():
            return
        if self._returning.are_due and not self._are_enough():
            if self._gathering is None:
                self._gathering = self.later(GATHER_S, self._give_up)
            return
        self._is_due = True
        self.soon(self._ask)

    def _is_worth_a_pass(self) -> bool:
        """Of its own, now: while the daemon is at work few can as well be asked together with the next."""
        if not self._waiting or len(self._asked) >= UNDER_WAY:
            return False
        return not self._asked or self._are_enough()

    def _are_enough(self) -> bool:
        if len(self._waiting) >= ENOUGH:
            return True
        return sum(one.asker.inputs for one in self._waiting) >= ENOUGH

    def _give_up(self) -> None:
        self._gathering = None
        self._returning.were_late()
        self._ask_soon()

    def _ask(self) -> None:
        self._is_due = False
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        if not self._is_worth_a_pass():
            return
        number, taken = next(self._numbers), self._take()
        try:
            message = packed([number, [_group(members) for members in taken]])
        except Exception:
            log.exception("requests that could not be passed on are given back to the daemon")
            for member in chain.from_iterable(taken):
                member.answered(Reply("", "", []), None)
        else:
            self._asked[number] = taken
            self.write(message)
        self._ask_soon()

    def _take(self) -> list[list[Waiting]]:
        """The next ones, those together whose inputs one pass can answer."""
        found: dict[Any, list[Waiting]] = {}
        inputs = 0
        while self._waiting and (not inputs or inputs + self._waiting[0].asker.inputs <= AT_ONCE):
            member = self._waiting.popleft()
            query = member.query
            inputs += member.asker.inputs
            key = query.inputs.shape[1:], query.task, query.probabilities
            found.setdefault(key, []).append(member)
        return list(found.values())


def _group(members: list[Waiting]) -> Group:
    first = members[0].query
    inputs = np.concatenate([member.query.inputs for member in members])
    return Group(
        shape=inputs.shape[1:],
        dtype=inputs.dtype.name,
        task=first.task,
        probabilities=first.probabilities,
        data=inputs.tobytes(),
        askers=[member.asker for member in members],
    )
