"""`python -m streamlearner.gateway.main SETTINGS`: the process, which the daemon starts and ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from streamlearner.decoding.inputs import Limits
from streamlearner.gateway import sockets
from streamlearner.gateway.connection import Connection, heads_of
from streamlearner.gateway.frames import Asker, Frames, Reply, Told
from streamlearner.gateway.questions import Questions
from streamlearner.gateway.requests import Query, Rules, answer_headers
from streamlearner.gateway.words import ALIVE, BACK, LENT, LOST, READY, STOP

BUSY_S = 1.0
"""A connection that asked nothing for so long goes back to the daemon, which has patience with it."""


class Gateway(asyncio.Protocol):
    """Speaks with the daemon in frames, and takes and returns sockets. Ends when the daemon does."""

    def __init__(
        self,
        *,
        rules: Rules,
        headers: list[tuple[str, str]],
        write_timeout_s: float,
        passing: socket.socket,
    ) -> None:
        self.rules = rules
        self.write_timeout_s = write_timeout_s
        self.is_closing = False
        self.head = heads_of(rules)
        self.over = asyncio.get_running_loop().create_future()
        self._more_headers = headers
        self._headers = (0, b"")
        self._passing = passing
        self._frames = Frames()
        self._connections: set[Connection] = set()
        self._questions: Questions | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        loop = asyncio.get_running_loop()
        self._questions = Questions(write=transport.write, soon=loop.call_soon, later=loop.call_later)
        loop.add_reader(self._passing, self._take)
        loop.call_later(BUSY_S / 2, self._rest)
        sockets.send(self._passing, [READY])

    def data_received(self, data: bytes) -> None:
        assert self._questions is not None
        for message in self._frames.feed(data):
            self._questions.hear(message)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def ask(
        self,
        connection: Connection,
        query: Query,
        asker: Asker,
        answered: Callable[[Reply, Told | None], None],
    ) -> None:
        assert self._questions is not None
        self._questions.ask(connection.number, query, asker, answered)

    def give_back(self, connection: Connection, data: bytes) -> None:
        """The socket stays open in the daemon; where the queue to it is full, it is closed instead."""
        transport = connection.transport
        transport.pause_reading()
        handles = [transport.get_extra_info("socket").fileno(), sockets.kept_aside(data)]
        if not sockets.send(self._passing, [BACK, connection.number], handles):
            self.lost(connection)
        os.close(handles[1])
        self._forget(connection)
        transport.abort()

    def lost(self, connection: Connection) -> None:
        self._forget(connection)
        sockets.send(self._passing, [LOST, connection.number])
        self._end_if_done()

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._questions is not None:
            self._questions.left(connection.number)

    def headers(self) -> bytes:
        now = int(time.time())
        if self._headers[0] != now:
            self._headers = now, answer_headers(self._more_headers)
        return self._headers[1]

    def _take(self) -> None:
        """What the daemon lends, or that it wants no more."""
        while True:
            try:
                found = sockets.receive(self._passing)
            except BlockingIOError:
                return
            if found is None:
                return self.connection_lost(None)
            (word, *about), handles = found
            if word == LENT:
                lent = socket.socket(fileno=handles[0])
                lent.setblocking(False)
                number, address, host = about
                former = sockets.taken_up(handles[1]) if len(handles) > 1 else b""
                made = Connection(self, number, address, host, former=former)
                self._connections.add(made)
                made.task = asyncio.ensure_future(_connect(made, lent))
            elif word == ALIVE:
                sockets.send(self._passing, [ALIVE])
            elif word == STOP:
                self.is_closing = True
                for connection in list(self._connections):
                    connection.end()
                self._end_if_done()

    def _rest(self) -> None:
        since_s = time.monotonic() - BUSY_S
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.rest(since_s)
        asyncio.get_running_loop().call_later(BUSY_S / 2, self._rest)

    def _end_if_done(self) -> None:
        if self.is_closing and not self._connections:
            self.connection_lost(None)


async def _connect(made: Connection, lent: socket.socket) -> None:
    try:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: made, lent)
    except OSError:
        lent.close()
        made.connection_lost(None)


async def serve(settings: dict[str, Any]) -> None:
    """Until the daemon has ended, or wants no more and all was answered."""
    missing = settings["limits"].pop("missing")
    limits = Limits(**settings["limits"], missing=None if missing is None else frozenset(missing))
    rules = Rules(settings["max_bytes"], settings["max_batch"], limits, frozenset(settings["unusual"]))
    passing = socket.socket(fileno=settings["passing"])
    passing.setblocking(False)
    speaking = socket.socket(fileno=settings["speaking"])
    headers = [(str(name), str(value)) for name, value in settings["headers"]]
    patience_s = float(settings["write_timeout_s"])
    gateway = Gateway(rules=rules, headers=headers, write_timeout_s=patience_s, passing=passing)
    await asyncio.get_running_loop().create_connection(lambda: gateway, sock=speaking)
    await gateway.over


def main(arguments: list[str]) -> None:
    """Signals of a terminal or a service manager go to all processes at once: the daemon says when to end."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    asyncio.run(serve(json.loads(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
