"""A daemon whose file descriptors strangers have taken: it waits, says so once, and goes on."""

from __future__ import annotations

import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.daemon_process import DaemonProcess

LEFT = 3
STRANGERS = 60


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    files = {"format": "jsonl", "path": str(tmp_path / "*.jsonl"), "follow": True}
    settings = {
        "source": {"type": "files", "files": files},
        "daemon": {"linger_s": 0.2, "poll_timeout_s": 0.05},
        "checkpoint": {"every_s": 0.5, "retry_s": 1.0},  # each try that fails is a line of the log
    }
    made = DaemonProcess(tmp_path / "daemon", settings)
    yield made.start()
    made.close()


def write(folder: Path, first: int, count: int) -> None:
    with (folder / "examples.jsonl").open("a") as file:
        for number in range(first, first + count):
            image = np.random.default_rng(number).integers(0, 255, (6, 6)).tolist()
            file.write(json.dumps({"input": image, "label": number % 3}) + "\n")


def test_a_daemon_without_file_descriptors_waits_with_a_short_log_and_goes_on(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    write(tmp_path, 0, 50)
    daemon.wait_until_taken(50)
    assert daemon._process is not None and daemon._process.pid is not None
    process = daemon._process.pid
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    held = len(os.listdir(f"/proc/{process}/fd"))
    resource.prlimit(process, resource.RLIMIT_NOFILE, (held + LEFT, before[1]))
    strangers = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(STRANGERS)]
    write(tmp_path, 50, 50)
    size = daemon.log.stat().st_size
    time.sleep(4.0)
    assert daemon.running, daemon.tail()
    assert daemon.log.stat().st_size - size < 4_000, daemon.tail()
    for stranger in strangers:
        stranger.close()
    resource.prlimit(process, resource.RLIMIT_NOFILE, before)
    daemon.wait_until_taken(100)
    assert daemon.stop() == 0, daemon.tail()
