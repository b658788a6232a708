"""A stand-in for a daemon: an HTTP server with canned answers that remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    path: str
    body: Any
    authorization: str | None


@dataclass
class CannedDaemon:
    """`answers` maps a path to (status, body, headers) answers given in turn; the last one stays."""

    address: str
    answers: dict[str, list[tuple[int, bytes, dict[str, str]]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def will_answer(self, path: str, *bodies: Any, status: int = 200, **headers: str) -> None:
        """Further answers for `path`, as JSON; bytes go as they are."""
        for body in bodies:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            self.answers.setdefault(path, []).append((status, data, named))


@contextmanager
def canned_daemon() -> Iterator[CannedDaemon]:
    daemon = CannedDaemon("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            daemon.asked.append(
                Asked(self.path, json.loads(body) if body else None, self.headers.get("authorization"))
            )
            waiting = daemon.answers.get(self.path, [(404, b'{"error": "no such path"}', {})])
            status, data, headers = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(status)
            for name, value in {"content-length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    daemon.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield daemon
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
