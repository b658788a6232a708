"""The exports that follow each adopted version: a process of its own for each (`export_process`).

torch.export replaces methods of torch for as long as it traces: on a thread of the daemon it would trace what
the learning thread does meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

from streamlearner.app.publisher import make_publisher
from streamlearner.config.export_settings import NONE
from streamlearner.config.loading import Config
from streamlearner.daemon.exports import Exports, Report
from streamlearner.export.formats import check_formats
from streamlearner.state.published import Published
from streamlearner.telemetry.metrics import Metrics

TIMEOUT_S = 1_800.0
WORDS = 2_000
"""Characters of what a process that crashed has said last."""


def make_exports(config: Config, *, metrics: Metrics, resources: ExitStack) -> Exports | None:
    """Where versions are to be exported; `resources` stops it. Raises `ConfigError` for formats, or a
    publisher, that this installation lacks something for."""
    if not config.export.is_wanted:
        return None
    check_formats(config.export.formats)
    make_publisher(config.export)
    published = Published(config.state_dir / "versions")
    publisher = None if config.export.publisher == NONE else config.export.publisher
    exports = Exports(
        published=published, exporting=ExportProcess(config), metrics=metrics, publisher=publisher
    )
    resources.callback(exports.stop)
    return exports


class ExportProcess:
    """Starts one for each version (`exports.Exporting`)."""

    def __init__(self, config: Config) -> None:
        self._job = {
            "settings": config.learning(),
            "state_dir": str(config.state_dir.absolute()),
            "keep_versions": config.checkpoint.keep_versions,
            "export": config.export.model_dump(mode="json"),
        }
        self._running: subprocess.Popen[str] | None = None

    def end(self) -> None:
        if (running := self._running) is not None:
            running.kill()

    def export(self, version: int) -> Generator[Report]:
        return self._do({"version": version})

    def publish(self, version: int) -> Generator[Report]:
        return self._do({"version": version, "is_exported": True})

    def _do(self, asked: dict[str, Any]) -> Generator[Report]:
        process = self._running = subprocess.Popen(
            [sys.executable, "-P", "-m", "streamlearner.app.export_process"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": same_modules()},
        )  # fmt: skip
        said: list[str] = []
        listener = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
        timer = threading.Timer(TIMEOUT_S, process.kill)
        try:
            listener.start()
            timer.start()
            yield from _reports(process, self._job | asked, said, listener)
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            listener.join(1.0)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def same_modules() -> str:
    """A PYTHONPATH with which another process imports what this one does, one's own parts included. (With
    `-m` alone, Python would look in the folder that the daemon happens to run in first.)"""
    return os.pathsep.join(os.path.abspath(place) for place in sys.path if os.path.exists(place or "."))


def _reports(
    process: subprocess.Popen[str], job: dict[str, Any], said: list[str], listener: threading.Thread
) -> Generator[Report]:
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    found = False
    for line in process.stdout:
        found = True
        yield json.loads(line)
    code = process.wait()
    listener.join(1.0)
    if code or not found:
        yield {"failed": f"its process ended with {code}: {''.join(said)[-WORDS:].strip()}"}
