"""Serving: the HTTP application on its port, in a thread of the daemon's process."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from functools import partial

import uvicorn
from fastapi import FastAPI

from streamlearner.codec import Codec
from streamlearner.errors import ConfigError, StreamlearnerError
from streamlearner.metrics import Metrics
from streamlearner.predictor import Predictor
from streamlearner.serving.admin import Admin
from streamlearner.serving.application import assemble
from streamlearner.serving.bodies import Bodies
from streamlearner.serving.examples import Examples
from streamlearner.serving.guard import Guard
from streamlearner.serving.health import Health
from streamlearner.serving.page import Page
from streamlearner.serving.port import Port
from streamlearner.serving.predictions import Predictions
from streamlearner.serving.recollections import Recollections
from streamlearner.serving.reports import Reports
from streamlearner.serving.served import Served
from streamlearner.serving.workers import Workers

BACKLOG_CONNECTIONS = 512


class Serving:
    """Predictions, admin, health and metrics on `host`:`port` (0 picks a free one).

    The daemon calls `start`, `refresh` and `stop` from its learning thread. Everything else happens in threads of
    its own, which see learning only through `reception` and the frozen copies that `refresh` makes.
    `id_prefix` distinguishes the prediction ids of this run from those of any other.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        reception: Port,
        metrics: Metrics,
        codec: Codec,
        token: str | None = None,
        max_body_bytes: int = 32 * 2**20,
        max_batch: int = 1024,
        refresh_every_examples: int = 200,
        refresh_every_s: float = 5.0,
        body_timeout_s: float = 30.0,
        recollections_timeout_s: float = 10.0,
        prediction_threads: int = 2,
        version: str = "unknown",
        id_prefix: str | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._host, self._port = host, port
        self._served = Served(
            refresh_every_examples=refresh_every_examples,
            refresh_every_s=refresh_every_s,
            metrics=metrics,
            now_s=now_s,
        )
        # a push waits for the disk and is committed in groups: the more wait together, the more pass in a second
        self._pools = {
            "predictions": Workers(name="predictions", threads=prediction_threads, waiting=256),
            "examples": Workers(name="examples", threads=32, waiting=224),
            "recollections": Workers(name="recollections", threads=2, waiting=6),
        }
        bodies = Bodies(max_bytes=max_body_bytes, timeout_s=body_timeout_s)
        guard = Guard(token=token)
        self.application: FastAPI = assemble(
            predictions=Predictions(
                served=self._served,
                codec=codec,
                bodies=bodies,
                workers=self._pools["predictions"],
                metrics=metrics,
                max_batch=max_batch,
                id_prefix=id_prefix or secrets.token_hex(6),
            ),
            examples=Examples(
                port=reception,
                codec=codec,
                bodies=bodies,
                workers=self._pools["examples"],
                metrics=metrics,
                guard=guard,
                max_batch=max_batch,
            ),
            recollections=Recollections(
                port=reception, workers=self._pools["recollections"], timeout_s=recollections_timeout_s
            ),
            reports=Reports(port=reception),
            admin=Admin(port=reception, bodies=bodies, guard=guard),
            health=Health(port=reception, served=self._served, metrics=metrics),
            page=Page(),
            metrics=metrics,
            version=version,
        )
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._address = (host, port)

    @property
    def current(self) -> Predictor | None:
        """The frozen model that answers now."""
        return self._served.current

    @property
    def version(self) -> str:
        """`adopted version.examples` of the model that answers now; "0" before the first."""
        return self.current.version if self.current is not None else "0"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; the port that was picked, once started with port 0."""
        return self._address

    def refresh(self, predictor: Predictor, *, version: str, examples: int) -> bool:
        """Serves a frozen copy of `predictor` where that is due (see `Served.refresh`); under 1 us where it is not.

        `version` is the adopted one, `examples` how many were learned in all.
        """
        return self._served.refresh(predictor, version=version, examples=examples)

    def start(self) -> None:
        """Binds the port, then serves. Raises `ConfigError` where the address cannot be had."""
        listener = _bind(self._host, self._port)
        self._address = (self._host, listener.getsockname()[1])
        config = uvicorn.Config(
            self.application,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=3,
        )
        self._server = uvicorn.Server(config)
        run = partial(self._server.run, sockets=[listener])
        self._thread = threading.Thread(target=run, name="serving", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise StreamlearnerError("the serving thread ended while starting; the log says why")
            time.sleep(0.005)

    def stop(self) -> None:
        """Answers what was begun, for up to 3 s, and frees the port. Safe to call twice, or without `start`."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=10.0)
        for pool in self._pools.values():
            pool.stop()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG_CONNECTIONS)
    except OSError as error:
        found = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        text = f"cannot listen on {host}:{port}: {found}"
        raise ConfigError(
            f"{text}; set serving.host and serving.port to a free address of this machine"
        ) from error
