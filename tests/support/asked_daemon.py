"""A daemon of whatever version, run in a thread and asked over HTTP: only what every version has is used."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamlearner.app import build
from streamlearner.stream import Message

try:
    from streamlearner.config.loading import load
    from streamlearner.connectors.memory import MemorySource
except ImportError:  # that is where 0.1.0 has them
    from connectors.memory import MemorySource
    from streamlearner.config import load

WAIT_S = 300.0
"""Far beyond what a busy machine needs for what takes one second."""


class AskedDaemon:
    """On a stream in memory, or fed by `post` where `messages` is None; as a context it runs, and is stopped
    with a last checkpoint at the end."""

    def __init__(
        self,
        settings: dict[str, Any],
        state_dir: Path,
        *,
        messages: Sequence[Message] | None,
        token: str | None = None,
    ) -> None:
        self.headers = {} if token is None else {"authorization": f"Bearer {token}"}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        own = {"state_dir": str(state_dir), "serving.port": self.port}
        self.source = None if messages is None else MemorySource(messages, finite=False)
        self.daemon = build(load(path=None, settings=settings | own, environ={}), source=self.source)
        self.failures: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.daemon.run()
        except BaseException as error:
            self.failures.append(error)

    def __enter__(self) -> Self:
        self.thread.start()
        self.until(lambda: self.get("/livez"), lambda answer: answer["live"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.daemon.stop()
        self.thread.join(timeout=WAIT_S)
        if self.failures:
            raise self.failures[0]

    def get(self, path: str) -> Any:
        return self._ask(urllib.request.Request(self._url(path), headers=self.headers))

    def post(self, path: str, body: Any) -> Any:
        headers = {"content-type": "application/json"} | self.headers
        return self._ask(urllib.request.Request(self._url(path), json.dumps(body).encode(), headers))

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _ask(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.load(answer)

    def until(self, ask: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
        """The first answer for which that holds."""
        deadline_s = time.monotonic() + WAIT_S
        while True:
            try:
                if holds(answer := ask()):
                    return answer
            except OSError:  # it does not answer yet
                pass
            if self.failures:
                raise self.failures[0]
            assert time.monotonic() < deadline_s, f"not within {WAIT_S:g} s"
            time.sleep(0.005)

    def learned(self, messages: int) -> dict[str, Any]:
        """The status once so many messages were taken in all; the other documents then go with it, and what
        was asked before has been done."""
        status = self.until(
            lambda: self.get("/v1/status"), lambda now: now["ready"] and now["messages"] >= messages
        )
        self.get("/v1/recollections?per_class=1")  # the learning thread answers that between two rounds
        return dict(status)
