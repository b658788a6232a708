"""The TCP port and the thread that answers on it."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from functools import partial

import uvicorn
from fastapi import FastAPI

from streamlearner.errors import ConfigError, StreamlearnerError

BACKLOG_CONNECTIONS = 512
SWITCH_INTERVAL_S = 0.0005
"""`sys.setswitchinterval` of the process while listening: for how long learning may keep the interpreter lock
while an answer waits for it. Beside a loop of plain Python, the slowest in a hundred answers took 113 ms with
Python's default of 5 ms and 13 ms with this; learning was as fast."""


class Listener:
    """Runs `application` on `host`:`port` in a thread of its own, from `start` to `stop`."""

    def __init__(self, application: FastAPI, *, host: str, port: int) -> None:
        self.address = (host, port)
        self._thread: threading.Thread | None = None
        self._former_interval_s = sys.getswitchinterval()
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=3,
            )
        )

    def start(self) -> None:
        """Binds the port, then answers. Raises `ConfigError` where the address cannot be had."""
        listening = bind(*self.address)
        self.address = (self.address[0], listening.getsockname()[1])
        run = partial(self._server.run, sockets=[listening])
        self._thread = threading.Thread(target=run, name="serving", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                listening.close()
                raise StreamlearnerError("the serving thread ended while starting; the log says why")
            time.sleep(0.005)
        sys.setswitchinterval(SWITCH_INTERVAL_S)

    def stop(self) -> None:
        """Finishes requests under way, for up to 3 s; frees the port. Safe to call twice, or unstarted."""
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=10.0)
            self._thread = None
            sys.setswitchinterval(self._former_interval_s)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; 0 picks a free port. Raises `ConfigError`.

    Its connections inherit `TCP_NODELAY`. Without it (asyncio leaves it off for sockets that it did not make)
    every answer on a kept connection waits 40 ms for the delayed acknowledgement: 46 ms in place of 2.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG_CONNECTIONS)
    except OSError as error:
        found = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        remedy = "set serving.host and serving.port to a free address of this machine"
        raise ConfigError(f"cannot listen on {host}:{port}: {found}; {remedy}") from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
