"""One lent connection: plain requests one after the other, until something unusual comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from streamlearner.gateway.frames import Asker, Reply, Told
from streamlearner.gateway.requests import Head, Query, Rules, answer, read_body, read_head

HEAD_BYTES = 16 * 1024
AHEAD_BYTES = 1024 * 1024
"""So much more than one request is read of a client that does not wait for its answers."""
END = b"\r\n\r\n"
MOST_HEADS = 512
"""Heads that are known by their bytes: a client repeats its own for ever."""


class Desk(Protocol):
    """What a connection needs of the process."""

    rules: Rules
    write_timeout_s: float
    is_closing: bool

    def ask(
        self,
        connection: Connection,
        query: Query,
        asker: Asker,
        answered: Callable[[Reply, Told | None], None],
    ) -> None: ...

    def give_back(self, connection: Connection, data: bytes) -> None:
        """The daemon goes on with the connection, and these bytes of it."""

    def lost(self, connection: Connection) -> None:
        """It is no more."""

    def headers(self) -> bytes: ...

    def head(self, data: bytes) -> Head | None: ...


def heads_of(rules: Rules) -> Callable[[bytes], Head | None]:
    """`read_head` that remembers."""
    return lru_cache(maxsize=MOST_HEADS)(lambda head: read_head(head, rules))


@dataclass(eq=False, slots=True)
class Connection(asyncio.Protocol):
    """The daemon calls it `number`, its client is at `address` and calls the daemon `host`. `former` was
    read of it before it was lent."""

    desk: Desk
    number: int
    address: str
    host: bytes
    former: bytes = b""
    transport: Any = None
    task: Any = None  # which connects it
    active_s: float = field(default_factory=time.monotonic)
    _buffer: bytearray = field(default_factory=bytearray)
    _head: Head | None = None
    _body_at: int = 0
    _waits: bool = False  # for the daemon
    _full: bool = False  # the client does not read what it is sent
    _gone: bool = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(high=0)
        if self.former:
            former, self.former = self.former, b""
            self.data_received(former)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()
        if self._is_held and len(self._buffer) > self._body_at + AHEAD_BYTES:
            self.transport.pause_reading()

    @property
    def _is_held(self) -> bool:
        """No request can be asked now, whatever comes."""
        return self._waits or self._full

    def eof_received(self) -> bool:
        """Whoever has said all it will may still wait for the answer."""
        if not self._is_held:
            self._leave(bytes(self._buffer))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._gone:
            self._gone = True
            self.desk.lost(self)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._go_on()

    def rest(self, since_s: float) -> None:
        """Where nothing was answered since then, and nothing is being: what is no longer busy is given back,
        and who does not read an answer for as long as the daemon has patience with it is dropped."""
        if self._gone or self._waits or self.active_s > since_s:
            return
        if not self.transport.get_write_buffer_size():
            self._leave(bytes(self._buffer))
        elif time.monotonic() - self.active_s > self.desk.write_timeout_s:
            self.transport.abort()

    def end(self) -> None:
        """The process ends: an answer that is under way is still given."""
        if not self._waits and self.transport is not None:
            self.transport.close()

    def _next(self) -> None:
        """Asks the next request, once it is whole and the one before is answered."""
        if self._is_held or self._gone:
            return
        if self._head is None and not self._read_head():
            return
        assert self._head is not None
        end = self._body_at + self._head.length
        if len(self._buffer) < end:
            return
        query = read_body(bytes(self._buffer[self._body_at : end]), self.desk.rules)
        if query is None:
            return self._leave(bytes(self._buffer))
        self._waits = True
        asker = Asker(len(query.inputs), self.address, self._head.authorization, time.perf_counter())
        self.desk.ask(self, query, asker, self._answered)

    def _read_head(self) -> bool:
        """Whether the head of a plain request has come."""
        at = self._buffer.find(END)
        if at < 0 and len(self._buffer) <= HEAD_BYTES:
            return False
        head = self.desk.head(bytes(self._buffer[:at])) if 0 <= at <= HEAD_BYTES else None
        if head is None or head.host != self.host:
            self._leave(bytes(self._buffer))
            return False
        self._head, self._body_at = head, at + len(END)
        return True

    def _answered(self, reply: Reply, told: Told | None) -> None:
        self._waits = False
        if self._gone:
            return
        if told is None:
            return self._leave(bytes(self._buffer))
        assert self._head is not None
        self.transport.write(answer(reply, told, self.desk.headers()))
        del self._buffer[: self._body_at + self._head.length]
        self._head = None
        self.active_s = time.monotonic()
        if self.desk.is_closing:
            self.transport.close()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """With what came meanwhile."""
        if self._buffer and not self._is_held:
            self.transport.resume_reading()
            self._next()

    def _leave(self, data: bytes) -> None:
        if not self._gone:
            self._gone = True
            self.desk.give_back(self, data)
