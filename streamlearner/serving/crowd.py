"""Predictions asked for while others are being answered: they are the gateway's from their first byte on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from streamlearner.decoding.inputs import DEFAULT_LIMITS
from streamlearner.gateway.connection import END, heads_of
from streamlearner.gateway.requests import REQUEST_LINE, Rules

CROWD = 4
"""So many requests that the daemon is answering itself are enough. Of 64 clients that come at once the first
two requests of each were answered here before, one after the other, while learning went on: of 5,000 answers
these were the slowest, and all that the slowest in a hundred told."""
MOST_HOSTS = 16
DISAPPOINTED_S = 10.0
"""From a connection that the gateway had to give back, with what came of it, to the next one that is lent
before anything of it was answered."""


class Crowd:
    """Which connections wait here for a prediction, and what else may go to the gateway at once. It belongs
    to the event loop's thread."""

    def __init__(
        self, *, max_bytes: int, unusual: Collection[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = heads_of(Rules(max_bytes, 1, DEFAULT_LIMITS, unusual))
        self._clock = clock
        self._waiting: set[object] = set()
        self._hosts: dict[bytes, None] = {}
        self._not_before_s = 0.0

    def asks(self, connection: object, data: bytes) -> None:
        """It will be answered here."""
        if data.startswith(REQUEST_LINE):
            self._waiting.add(connection)

    def answered(self, connection: object) -> None:
        """Or it is no more."""
        self._waiting.discard(connection)

    def admits(self, host: bytes) -> None:
        """By this name the daemon answered a prediction."""
        self._hosts[host] = None
        if len(self._hosts) > MOST_HOSTS:
            del self._hosts[next(iter(self._hosts))]

    def is_disappointed(self) -> None:
        """The gateway gave something back."""
        self._not_before_s = self._clock() + DISAPPOINTED_S

    def host_of(self, data: bytes) -> bytes | None:
        """By which name the daemon is called in a request that begins like this, where there is a crowd and
        it has a place in it; else None."""
        if len(self._waiting) < CROWD or not data.startswith(REQUEST_LINE):
            return None
        at = data.find(END)
        if at < 0 or self._clock() < self._not_before_s:
            return None
        head = self._read(data[:at])
        return head.host if head is not None and head.host in self._hosts else None
