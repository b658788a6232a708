"""One TCP connection: how many there may be, and for how long each may wait for its client."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from streamlearner.serving.clients import client_of
from streamlearner.serving.problems import refusal

LEFT_ALONE = 64
"""File descriptors that connections leave to files, brokers and libraries."""
REFUSAL = refusal(
    "every connection (serving.max_connections, or _per_client) is at work; try again",
    status=503,
    kind="too-many-connections",
    headers={"retry-after": "1"},
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """At most `most` at a time, and `per_client` of one client (`client_of`). A request's headers must be
    complete `header_timeout_s` after the connection, or after the first byte of the next request; an answer
    must get on its way within `write_timeout_s`."""

    most: int = 512
    header_timeout_s: float = 10.0
    write_timeout_s: float = 30.0
    per_client: int = 256

    def affordable(self) -> int:
        """`most`, or half of what the process's limit of descriptors leaves, where that is less."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return self.most
        return min(self.most, max(4, (soft - LEFT_ALONE) // 2))


class Connection(H11Protocol):
    """uvicorn's, which closes a connection that is idle after an answer, but not one that never asks."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = client_of(self.client[0]) if self.client else ""
        self.asks_since_s = self.loop.time()
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._expect_headers()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop(self._header_timer, self._write_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.idle and self._header_timer is None:
            self._expect_headers()
        super().data_received(data)
        if not self.idle:
            self._stop(self._header_timer)
            self._header_timer = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.limits.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop(self._write_timer)

    def timeout_keep_alive_handler(self) -> None:
        """Not `close`, which waits for ever for a client that does not read."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Of what is no HTTP request."""
        self.transport.write(refusal(msg, status=400, kind="invalid-input", headers={}))
        self.transport.close()

    @property
    def idle(self) -> bool:
        """No request is being worked on."""
        return self.cycle is None or self.cycle.response_complete

    def _expect_headers(self) -> None:
        self.asks_since_s = self.loop.time()
        self._header_timer = self.loop.call_later(self.limits.header_timeout_s, self._too_late)

    def _too_late(self) -> None:
        self._header_timer = None
        if self.idle:
            self.transport.abort()

    def _make_room(self) -> None:
        """One too many, of this client or of all: that one of them which has been idle longest makes room;
        where none is, this one is refused."""
        alive = [one for one in self.connections if isinstance(one, Connection)]
        alive = [one for one in alive if not one.transport.is_closing()]
        crowd = [one for one in alive if one.peer == self.peer]
        if len(crowd) <= self.limits.per_client:
            crowd = alive
            if len(crowd) <= self.limits.affordable():
                return
        idle = [one for one in crowd if one is not self and one.idle]
        if idle:
            min(idle, key=lambda one: one.asks_since_s).transport.abort()
            return
        self.transport.write(REFUSAL)
        self.transport.close()

    @staticmethod
    def _stop(*timers: asyncio.TimerHandle | None) -> None:
        for timer in timers:
            if timer is not None:
                timer.cancel()


def limited(limits: ConnectionLimits) -> type[Connection]:
    """The protocol class of connections within these limits."""
    return type("Connection", (Connection,), {"limits": limits})
