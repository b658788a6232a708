"""Commands, `streamlearner` and pytest, each in a process of its own that need not import: it is forked from
a server process that has imported the product's modules and done nothing else. Importing takes several
seconds of a core, and the suite runs about two hundred commands. As a command of the shell, with nothing
imported before, `streamlearner` is tested in tests/integration/test_process.py and
tests/commands/test_main_daemon.py.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import multiprocessing.connection
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.patience import cpu_seconds_of

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "streamlearner.app",
        "streamlearner.commands.main",
        "streamlearner.connectors.kafka.source",
        "pytest",
        "sklearn.datasets",
        "uvicorn",
    ]
)
SHIM = Path(__file__).with_name("forked_command_shim.py")


PROGRAMS = {"streamlearner": ("streamlearner.commands.main", "main"), "pytest": ("pytest", "console_main")}


def start(
    *words: str,
    folder: Path,
    environ: Mapping[str, str],
    stdout: Path,
    stderr: Path,
    program: str = "streamlearner",
) -> ForkServerProcess:
    """The program with these words, in `folder`; what it prints is added to the files."""
    process = FORKS.Process(target=_run, args=(program, words, folder, dict(environ), stdout, stderr))
    process.start()
    return process


def completed(
    *words: str, folder: Path, environ: Mapping[str, str], timeout_s: float, program: str = "streamlearner"
) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    with tempfile.TemporaryDirectory() as kept:
        stdout, stderr = (Path(kept) / name for name in ("stdout", "stderr"))
        process = start(*words, folder=folder, environ=environ, stdout=stdout, stderr=stderr, program=program)
        code = wait(process, timeout_s)
        return subprocess.CompletedProcess(words, code, stdout.read_text(), stderr.read_text())


def wait(process: ForkServerProcess, timeout_s: float) -> int:
    """Its exit code. Raises TimeoutExpired, and ends it, where it does not end by itself."""
    process.join(timeout_s)
    if process.exitcode is None:
        process.kill()
        raise subprocess.TimeoutExpired("streamlearner", timeout_s)
    return process.exitcode


def _run(
    program: str, words: tuple[str, ...], folder: Path, environ: dict[str, str], stdout: Path, stderr: Path
) -> None:
    for path, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
        output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, stream.fileno())
        os.close(output)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    more = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:0] = [os.path.abspath(entry) for entry in more]
    sys.argv = [program, *words]
    module, function = PROGRAMS[program]
    code = getattr(importlib.import_module(module), function)()
    sys.exit(code)


class ShellCommands:
    """The same for scripts of the shell: `folder` has a program `streamlearner`, to be put on the PATH, that
    asks this process for a forked one and is to its caller what that is: output, signals, exit code."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._running: set[int] = set()
        port = self._listener.getsockname()[1]
        program = folder / "streamlearner"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{SHIM}" {port} "$@"\n')
        program.chmod(0o700)
        threading.Thread(target=self._serve, daemon=True).start()

    def cpu_s(self) -> float:
        """Seconds of a core that the programs which run now have had."""
        return sum(cpu_seconds_of(pid) for pid in tuple(self._running))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        """One program to its end, or to that of the shim."""
        with connection, connection.makefile("r") as lines:
            asked = json.loads(lines.readline())
            output, errors = (Path(f"/proc/{asked['pid']}/fd/{number}") for number in (1, 2))
            process = start(
                *asked["words"], folder=Path(asked["folder"]), environ=asked["environ"],
                stdout=output, stderr=errors,
            )  # fmt: skip
            assert process.pid is not None
            self._running.add(process.pid)
            connection.sendall(f"{process.pid}\n".encode())
            multiprocessing.connection.wait([process.sentinel, connection])
            if process.exitcode is None:
                process.kill()
            process.join()
            self._running.discard(process.pid)
            with suppress(OSError):  # the shim may be gone
                connection.sendall(f"{process.exitcode}\n".encode())
