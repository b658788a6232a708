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

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Inputs in one question, but for a request that has more."""
UNDER_WAY = 2
"""Questions that the daemon has at a time: it begins the next while the answers to the last are written."""
Answered = Callable[[Reply, Told | None], None]


@dataclass(slots=True)
class Waiting:
    """A request: what is asked, by whom, and who hears the answer."""

    query: Query
    asker: Asker
    answered: Answered


@dataclass(slots=True)
class Questions:
    """The first request is asked at once, with all others that came in the same turn of the event loop. While
    `UNDER_WAY` questions are with the daemon, more wait and are asked together: none waits for longer than
    those passes take."""

    write: Callable[[bytes], None]
    soon: Callable[[Callable[[], None]], Any]
    _waiting: deque[Waiting] = field(default_factory=deque)
    _asked: dict[int, list[list[Waiting]]] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _is_due: bool = False

    def ask(self, query: Query, asker: Asker, answered: Answered) -> None:
        self._waiting.append(Waiting(query, asker, answered))
        self._ask_soon()

    def hear(self, message: Any) -> None:
        """The daemon's reply."""
        number, found = message
        for reply, members in zip(replies(found), self._asked.pop(number), strict=True):
            for told, member in zip(reply.told, members, strict=True):
                member.answered(reply, told)
        self._ask_soon()

    def _ask_soon(self) -> None:
        if self._waiting and not self._is_due and len(self._asked) < UNDER_WAY:
            self._is_due = True
            self.soon(self._ask)

    def _ask(self) -> None:
        self._is_due = False
        if not self._waiting or len(self._asked) >= UNDER_WAY:
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
