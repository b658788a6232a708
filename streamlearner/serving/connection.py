"""One TCP connection: how many there may be, and for how long each may wait for its client."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from streamlearner.serving.clients import client_of
from streamlearner.serving.problems import refusal

if TYPE_CHECKING:
    from streamlearner.serving.lending import Lending

LEFT_ALONE = 64
"""File descriptors that connections leave to files, brokers and libraries."""
REFUSAL = refusal(
    "every connection (serving.max_connections, or _per_client) is at work; try again",
    status=503,
    kind="too-many-connections",
    headers={"retry-after": "1"},
)
PLAIN = "streamlearner.plain"
"""Set in the scope of a request by what answered it: the gateway could have, too."""
QUICK_S = 1.0
BUSY = 2
"""A connection that asked so many plain predictions, each so soon after the one before, is lent."""
UNSETTLED = 30
"""So many more after something that the gateway had to give it back for."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """At most `most` at a time, and `per_client` of one client (`client_of`). A request's headers must be
    complete `header_timeout_s` after the connection, or after the first byte of the next request; an answer
    must get on its way within `write_timeout_s`."""

    most: int = 512
    header_timeout_s: float = 10.0
    write_timeout_s: float = 30.0
    per_client: int = 256

    def affordable(self, *, share: int = 2) -> int:
        """`most`, or half (a third, ...) of what the process's limit of descriptors leaves, where that is
        less."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return self.most
        return min(self.most, max(4, (soft - LEFT_ALONE) // share))

    def for_one(self, *, share: int = 2) -> int:
        """`per_client`, or as much less as `affordable` is less than `most`: else few descriptors were all
        for one client."""
        return max(1, self.per_client * self.affordable(share=share) // self.most)


class Connection(H11Protocol):
    """uvicorn's, which closes a connection that is idle after an answer, but not one that never asks."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()
    lending: ClassVar[Lending | None] = None
    former: bytes | None = None
    """Of a connection that was lent: what had been read of it and not answered."""
    _streak = 0
    _answered_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = client_of(self.client[0]) if self.client else ""
        self.asks_since_s = self.loop.time()
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._expect_headers()
        self._make_room()
        if self.former is not None and not transport.is_closing():
            self._go_on(self.former)

    def _go_on(self, former: bytes) -> None:
        """As if it had never been lent: one that had asked before may rest between two requests."""
        if former:
            self._streak = -UNSETTLED
            return self.data_received(former)
        self._stop(self._header_timer)
        self._header_timer = None
        rest_s, handler = self.timeout_keep_alive, self.timeout_keep_alive_handler
        self.timeout_keep_alive_task = self.loop.call_later(rest_s, handler)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.lending is None:
            return
        self.lending.crowd.answered(self)
        before_s, self._answered_s = self._answered_s, self.loop.time()
        is_quick = self._answered_s - before_s < QUICK_S
        was_plain = self._was_plain(self.lending.unusual)
        self._streak = (self._streak * is_quick + 1) if was_plain else 0
        if was_plain:
            self.lending.crowd.admits(self._host)
        if self._streak >= BUSY:
            self.loop.call_soon(self._lend)

    def _was_plain(self, unusual: Collection[str]) -> bool:
        scope = self.cycle.scope
        return PLAIN in scope and not any(name.decode("latin-1") in unusual for name, _ in scope["headers"])

    @property
    def _host(self) -> bytes:
        """By which name the last request called the daemon."""
        return next((value for name, value in self.headers if name == b"host"), b"")

    @property
    def _is_at_rest(self) -> bool:
        """No request has begun to come, and no answer is still on its way."""
        transport, unread = self.transport, self.conn.trailing_data[0]
        at_rest = self.idle and not unread and self.conn.their_state is h11.IDLE
        return at_rest and not transport.is_closing() and not transport.get_write_buffer_size()

    def _lend(self) -> None:
        if self._is_at_rest:
            self._lend_with(b"", host=self._host)

    def _lend_with(self, data: bytes, *, host: bytes) -> bool:
        """Whether the gateway goes on, beginning with these bytes."""
        if self.lending is None:
            return False
        lent, address = self.transport.get_extra_info("socket"), self.client[0] if self.client else ""
        went = self.lending.lend(lent, peer=self.peer, address=address, host=host, data=data)
        if went:
            self.transport.abort()  # the gateway has the connection by a descriptor of its own
        return went

    def _goes_at_once(self, data: bytes) -> bool:
        """Where others are being answered, the gateway has a request from its first byte on."""
        if self.lending is None or self._streak < 0 or not self._is_at_rest:
            return False
        host = self.lending.crowd.host_of(data)
        return host is not None and self._lend_with(data, host=host)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop(self._header_timer, self._write_timer)
        if self.lending is not None:
            self.lending.crowd.answered(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._goes_at_once(data):
            return
        if self.idle and self._header_timer is None:
            self._expect_headers()
        super().data_received(data)
        if not self.idle:
            if self.lending is not None:
                self.lending.crowd.asks(self, data)
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

    def _unsupported_upgrade_warning(self) -> None:
        """None: the request is answered as it would be without, as HTTP has it. Two lines of the log for each
        request were for any stranger to ask for, and the second told to install a package."""

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
        lent = list(self.lending.lent.values()) if self.lending is not None else []
        if len(crowd) + lent.count(self.peer) <= self.limits.for_one():
            crowd = alive
            if len(crowd) + len(lent) <= self.limits.affordable():
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


def limited(limits: ConnectionLimits, lending: Lending | None = None) -> type[Connection]:
    """The protocol class of connections within these limits; busy ones go by `lending`, if any."""
    return type("Connection", (Connection,), {"limits": limits, "lending": lending})
