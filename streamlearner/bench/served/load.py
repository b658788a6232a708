"""Clients in a closed loop, in a process of their own: each sends its next request once it has its answer.

`python load.py HOST PORT PATH BODY_FILE CONNECTIONS SECONDS [REQUESTS_PER_S]` prints one line of JSON. It
imports the standard library alone and writes ready bytes to plain sockets, so that it costs a tenth of what
any of the servers does; with a rate, each request also waits for its turn.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import time
from pathlib import Path

END = b"\r\n\r\n"


class Client:
    """One connection."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=30.0)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.asked_s = 0.0
        self.answer = b""
        self.waits = False

    def ask(self, request: bytes) -> None:
        self.asked_s, self.answer, self.waits = time.perf_counter(), b"", True
        sent = 0
        while sent < len(request):
            with contextlib.suppress(BlockingIOError):
                sent += self.socket.send(request[sent:])

    def hears(self) -> bool:
        """Reads what has come; whether the answer is whole. Raises `ConnectionError`."""
        found = self.socket.recv(1 << 18)
        if not found:
            raise ConnectionError(f"the server left after {self.answer[:200]!r}")
        self.answer += found
        head, _, body = self.answer.partition(END)
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0].strip()
        if not length or len(body) < int(length):
            return False
        self.waits = False
        return True

    @property
    def is_ok(self) -> bool:
        return self.answer.startswith(b"HTTP/1.1 200")


def run(
    host: str, port: int, request: bytes, *, connections: int, seconds: float, rate: float | None = None
) -> dict[str, float]:
    """Requests that were answered, in how many seconds, and the milliseconds that one took."""
    clients = {client.socket.fileno(): client for client in (Client(host, port) for _ in range(connections))}
    poll = select.epoll()
    for number in clients:
        poll.register(number, select.EPOLLIN)
    took: list[float] = []
    failed, asked = 0, 0
    began = time.perf_counter()
    ready = list(clients.values())
    while time.perf_counter() - began < seconds:
        allowed = len(ready) if rate is None else int((time.perf_counter() - began) * rate) - asked
        for client in ready[: max(allowed, 0)]:
            client.ask(request)
            asked += 1
        ready = ready[max(allowed, 0) :]
        for number, _ in poll.poll(0.001 if ready else 1.0):
            client = clients[number]
            if client.hears():
                took.append(time.perf_counter() - client.asked_s)
                failed += not client.is_ok
                ready.append(client)
    spent = time.perf_counter() - began
    for client in clients.values():
        client.socket.close()
    return figures(took, failed=failed, spent=spent)


def figures(took: list[float], *, failed: int, spent: float) -> dict[str, float]:
    took = sorted(took) or [float("nan")]
    p50, p99 = (1000 * took[int(share * (len(took) - 1))] for share in (0.5, 0.99))
    return {"requests": len(took), "failed": failed, "seconds": spent, "p50_ms": p50, "p99_ms": p99}


def post(path: str, body: bytes, host: str) -> bytes:
    """A request as clients send it."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: load\r\nAccept: */*\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode("ascii") + body


def main(arguments: list[str]) -> None:
    host, port, path, body, connections, seconds, *rate = arguments
    request = post(path, Path(body).read_bytes(), f"{host}:{port}")
    found = run(
        host, int(port), request, connections=int(connections), seconds=float(seconds),
        rate=float(rate[0]) if rate else None,
    )  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
