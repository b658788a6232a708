"""The processes of a measurement: servers that are started and told what to do, and the clients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from streamlearner.bench.served import load, mlserver_model
from streamlearner.errors import StreamlearnerError

START_TIMEOUT_S = 120.0
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Of each server: with the clients there are three processes on two cores, and threads of torch that wait for
each other there take seconds."""
MLSERVER = "STREAMLEARNER_BENCH_MLSERVER"
"""The environment variable that names the command `mlserver` of an environment of its own."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that answers on a port of this machine, under `path`."""

    port: int
    pid: int
    path: str = "/v1/predict"
    orders: IO[str] | None = None
    replies: IO[str] | None = None

    def tell(self, order: str) -> int:
        """`learn`, `rest` or `count`, to a daemon: examples learned so far."""
        assert self.orders is not None and self.replies is not None
        self.orders.write(f"{order}\n")
        self.orders.flush()
        return int(self.replies.readline())

    def cpu_s(self) -> float:
        """Seconds that its process and those that it started have spent on a CPU."""
        return sum(_cpu_s(pid) for pid in _family(self.pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from _family(int(child))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """What clients found, and how many requests the server answered in a second of its CPU time."""

    requests_per_s: float
    requests_per_cpu_s: float
    p50_ms: float
    p99_ms: float


@contextmanager
def running(module: str, *arguments: str) -> Iterator[Server]:
    """A server of this package, which prints its port."""
    command = [sys.executable, "-m", f"streamlearner.bench.served.{module}", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD
    ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline()
            if not port:
                raise StreamlearnerError(f"{' '.join(command)} ended before it had a port")
            yield Server(_listening(int(port)), process.pid, orders=process.stdin, replies=process.stdout)
        finally:
            _end(process)


@contextmanager
def mlserver(command: str) -> Iterator[Server]:
    """MLServer with one process, which serves the same network."""
    with tempfile.TemporaryDirectory(prefix="streamlearner-bench-") as folder:
        port = mlserver_model.write(Path(folder))
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": folder}
        with subprocess.Popen(
            [command, "start", folder], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield Server(_listening(port), process.pid, path=mlserver_model.PATH)
            finally:
                _end(process)


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10.0)
    except subprocess.TimeoutExpired:
        process.kill()


def _listening(port: int) -> int:
    until_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return port
        except OSError:
            time.sleep(0.05)
    raise StreamlearnerError(f"nothing listens on port {port} after {START_TIMEOUT_S:g} s")


def ask(server: Server, body: bytes, *, connections: int, seconds: float, rate: float | None = None) -> Load:
    """Clients of their own process; at most `rate` requests a second (None: as fast as answers come)."""
    with tempfile.NamedTemporaryFile(prefix="streamlearner-bench-") as file:
        file.write(body)
        file.flush()
        numbers = [str(connections), str(seconds), *([str(rate)] if rate is not None else [])]
        command = [sys.executable, load.__file__, "127.0.0.1", str(server.port), server.path, file.name]
        before_s = server.cpu_s()
        found = json.loads(subprocess.run([*command, *numbers], capture_output=True, check=True).stdout)
    if found["failed"]:
        raise StreamlearnerError(f"{found['failed']} of {found['requests']} requests were refused")
    count, busy_s = found["requests"], max(server.cpu_s() - before_s, 0.01)
    return Load(count / found["seconds"], count / busy_s, found["p50_ms"], found["p99_ms"])
