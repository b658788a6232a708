"""A process whose start is watched: by the clock, in seconds of CPU, and in memory (Linux)."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from streamlearner.errors import StreamlearnerError

PATIENCE_S, LOOK_EVERY_S = 300.0, 0.01
TORCH = "import torch, sys; print(flush=True); sys.stdin.read()"
"""It stays until it was looked at."""
BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Left out of the environment of what is measured: an installed package has its bytecode beside it, and where
it may not be written, each start compiles 400 files of ours, 0.3 s, and none of torch's."""
Found = TypeVar("Found")


class Reached(NamedTuple):
    """Seconds by the clock and of CPU since a process was begun, and the bytes of memory that it had."""

    seconds: float
    cpu_s: float
    resident_bytes: int


class StartedDaemon:
    """`streamlearner run` with a state folder and settings of its own; source push."""

    def __init__(self, folder: Path, settings: Sequence[str]) -> None:
        self._port = _free_port()
        fixed = [f"state_dir={folder}", f"serving.port={self._port}", "source.type=push"]
        words = [word for setting in [*fixed, *settings] for word in ("-s", setting)]
        self._started_s = time.perf_counter()
        command = [sys.executable, "-m", "streamlearner", "run", *words]
        self._process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, env=environment())

    def until(self, holds: Callable[[], Found]) -> Reached:
        """Asks until the answer is true, and says when that was."""
        while time.perf_counter() - self._started_s < PATIENCE_S:
            if holds():
                return self.reached()
            if self._process.poll() is not None:
                assert self._process.stderr is not None
                raise StreamlearnerError(f"the daemon ended: {self._process.stderr.read().decode()[-500:]}")
            time.sleep(LOOK_EVERY_S)
        raise StreamlearnerError(f"the daemon did not come so far in {PATIENCE_S:g} s")

    def reached(self) -> Reached:
        return reached(self._process.pid, since_s=self._started_s)

    def ask(self, path: str, body: Any = None) -> Any:
        """The JSON that answers, or its text; None while there is no good answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=10.0) as answer:
                return json.loads(answer.read())
        except (OSError, urllib.error.URLError):
            return None

    def end(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.communicate()


@contextmanager
def started_daemon(folder: Path, *settings: str) -> Iterator[StartedDaemon]:
    daemon = StartedDaemon(folder, settings)
    try:
        yield daemon
    finally:
        daemon.end(signal.SIGKILL)


def import_torch() -> Reached:
    """Of a process that does nothing else."""
    started_s = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", TORCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return reached(process.pid, since_s=started_s)


def cpu_seconds_to_end(*words: str) -> float:
    """Of a command of streamlearner, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "streamlearner", *words]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != BYTECODE}


def reached(process: int, *, since_s: float) -> Reached:
    """What the kernel says of a running process."""
    seconds = time.perf_counter() - since_s
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    ticks = int(fields[11]) + int(fields[12])
    return Reached(seconds, ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
