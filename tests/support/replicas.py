"""Replicas in this process, on a port of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from streamlearner.app.replica import build_replica
from streamlearner.config.given import load_config
from streamlearner.serving import Serving
from tests.support.patience import wait_until


class Running(NamedTuple):
    serving: Serving
    client: httpx.Client


@contextmanager
def running_replica(folder: Path, settings: dict[str, Any] | None = None) -> Iterator[Running]:
    """One that follows `folder`, once it answers at all."""
    config = load_config({"serving.port": 0, "threads": 1} | (settings or {}))
    made = build_replica(config, where=str(folder), every_s=0.02)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    wait_until(lambda: made.serving.address[1] != 0, "the replica's port", every_s=0.02)
    host, port = made.serving.address
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=30) as client:
        wait_until(lambda: _is_live(client), "the replica", every_s=0.02)
        yield Running(made.serving, client)
    made.stop()
    thread.join(30)


def _is_live(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx.HTTPError:
        return False
