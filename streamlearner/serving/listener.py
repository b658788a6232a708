"""The TCP port and the thread that answers on it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import sys
import threading
import time
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette

from streamlearner.errors import ConfigError, StreamlearnerError
from streamlearner.serving.clients import client_of
from streamlearner.serving.connection import ConnectionLimits, limited
from streamlearner.serving.lending import Lending
from streamlearner.serving.repeated_lines import OnceInAWhile
from streamlearner.serving.tls import HANDSHAKE_TIMEOUT_S, RenewedTls, Tls

log = logging.getLogger(__name__)
logging.getLogger("uvicorn.error").addFilter(OnceInAWhile("Invalid HTTP request"))

BACKLOG_CONNECTIONS = 512
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
REST_S = 0.5  # below asyncio's second
QUIET_S = 60.0
HEADERS = [("cross-origin-resource-policy", "same-origin"), ("x-content-type-options", "nosniff")]
"""Of every answer: pages of other sites may not show the pictures, and what is no page is not read as one."""
SWITCH_INTERVAL_S = 0.0001
"""`sys.setswitchinterval` of the process while listening: for how long learning may keep the interpreter lock
while an answer waits for it; an answer gives it up some sixty times, at each operation of torch. Beside a
loop of plain Python, the slowest in a hundred answers took 113 ms with Python's default of 5 ms, 13 ms with
0.5. Learning is as fast, as it gives the lock up a thousand times a batch anyway. (Examples for a second of
CPU while answers are asked for, in turns: 690 with 0.5 ms, 695 with 0.1, 668 with 0.02.)"""


class Listener:
    """Runs `application` on `host`:`port` in a thread of its own, from `start` to `stop`."""

    def __init__(
        self,
        application: Starlette,
        *,
        host: str,
        port: int,
        limits: ConnectionLimits,
        tls: Tls | None = None,
        lending: Lending | None = None,
    ) -> None:
        """Busy connections go by `lending`, if any, which TLS cannot. Raises `ConfigError` for certificates
        that cannot be used."""
        self.address = (host, port)
        self._limits = limits
        self._lending = lending
        self._adopting: set[asyncio.Task[Any]] = set()
        self.scheme = "http" if tls is None else "https"
        context = None if tls is None else RenewedTls(tls).context
        self._thread: threading.Thread | None = None
        self._former_interval_s = sys.getswitchinterval()
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                lifespan="off",
                loop="asyncio",
                http=limited(limits, self._lending),
                ws="none",
                server_header=False,
                headers=HEADERS,
                ssl_context_factory=None if context is None else lambda *_: context,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=3,
            )
        )

    def start(self) -> None:
        """Binds the port, then answers. Raises `ConfigError` where the address cannot be had."""
        listening = bind(*self.address)
        if self._server.config.is_ssl:
            listening.limits = self._limits
        self.address = (self.address[0], listening.getsockname()[1])
        run = partial(self._run, listening)
        self._thread = threading.Thread(target=run, name="serving", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                listening.close()
                raise StreamlearnerError("the serving thread ended while starting; the log says why")
            time.sleep(0.005)
        sys.setswitchinterval(SWITCH_INTERVAL_S)

    def _run(self, listening: socket.socket) -> None:
        async def serve() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(_note)
            if self._server.config.is_ssl:  # asyncio's own patience with a handshake is a minute
                waits = partial(loop.create_server, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S)
                loop.create_server = waits  # type: ignore[method-assign]
            if self._lending is not None:
                self._lending.attach(loop, self._adopt)
            await self._server.serve(sockets=[listening])

        asyncio.run(serve())

    def _adopt(self, lent: socket.socket, former: bytes) -> None:
        """Goes on with a connection that had been lent."""
        config, state = self._server.config, self._server.server_state
        kind: Any = config.http_protocol_class
        made = kind(config=config, server_state=state, app_state={})
        made.former = former
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(lambda: made, lent))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    def stop(self) -> None:
        """Finishes requests under way, for up to 3 s; frees the port. Safe to call twice, or unstarted."""
        if self._lending is not None:
            self._lending.stop()
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=10.0)
            self._thread = None
            sys.setswitchinterval(self._former_interval_s)


def bind(host: str, port: int) -> ListeningSocket:
    """A listening socket; 0 picks a free port. Raises `ConfigError`.

    Its connections inherit `TCP_NODELAY`. Without it (asyncio leaves it off for sockets that it did not make)
    every answer on a kept connection waits 40 ms for the delayed acknowledgement: 46 ms in place of 2.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.create_server((host, port), family=family, backlog=BACKLOG_CONNECTIONS)
    except OSError as error:
        found = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        remedy = "set serving.host and serving.port to a free address of this machine"
        raise ConfigError(f"cannot listen on {host}:{port}: {found}; {remedy}") from error
    listening = ListeningSocket(family, socket.SOCK_STREAM, fileno=made.detach())
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


class ListeningSocket(socket.socket):
    """Where no file descriptor is left, clients wait in the kernel's queue.

    asyncio then rests for a second, but first tries again as often as the queue is long (Python 3.11), with
    an error logged each time: half a megabyte a second. So after the first refusal there is "nothing" to
    accept for a while.

    With TLS a connection is one to `Connection` only after its handshake. `limits` bounds those before it,
    too: there are at most twice as many sockets as connections, of all and of each client.
    """

    limits: ConnectionLimits | None = None
    _rests_until_s = 0.0
    _open: tuple[tuple[socket.socket, str], ...] = ()

    def accept(self) -> tuple[socket.socket, Any]:
        if time.monotonic() < self._rests_until_s:
            raise BlockingIOError(errno.EAGAIN, "no file descriptor is left")
        try:
            made, address = super().accept()
        except OSError as error:
            if error.errno in OUT_OF_DESCRIPTORS:
                self._rests_until_s = time.monotonic() + REST_S
            raise
        if self.limits is not None and not self._has_room(made, client_of(address[0]), self.limits):
            made.close()
            raise ConnectionAbortedError("more connections than may wait for a handshake")
        return made, address

    def _has_room(self, made: socket.socket, client: str, limits: ConnectionLimits) -> bool:
        self._open = tuple(one for one in self._open if one[0].fileno() >= 0)
        of_client = sum(1 for _, other in self._open if other == client)
        if len(self._open) >= 2 * limits.affordable() or of_client >= 2 * limits.for_one():
            return False
        self._open += ((made, client),)
        return True


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody else handles; the want of descriptors, which asyncio waits out, once in a while."""
    error = context.get("exception")
    if not isinstance(error, OSError) or error.errno not in OUT_OF_DESCRIPTORS:
        loop.default_exception_handler(context)
    elif loop.time() >= getattr(loop, "quiet_until_s", 0.0):
        loop.quiet_until_s = loop.time() + QUIET_S  # type: ignore[attr-defined]
        log.warning("no file descriptor is left (ulimit -n): new connections wait until some end")
