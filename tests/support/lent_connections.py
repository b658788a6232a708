"""Connections that a test lends to the gateway, and its process."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlearner.serving import Serving
from tests.support.patience import wait_until
from tests.support.serving_fakes import picture, tiny_predictor

PLAIN = {"inputs": [picture(1)]}
Connect = Callable[[Serving], http.client.HTTPConnection]


def started(make_serving: Callable[..., Serving], **settings: Any) -> Serving:
    serving = make_serving(gateway=True, **settings)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    serving.start()
    return serving


def ask(
    one: http.client.HTTPConnection, body: Any = PLAIN, path: str = "/v1/predict", **headers: str
) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    one.request("POST", path, data, {"content-type": "application/json"} | headers)
    answer = one.getresponse()
    return answer.status, json.loads(answer.read())


def lend(serving: Serving, one: http.client.HTTPConnection, **headers: str) -> http.client.HTTPConnection:
    """The connection, once the gateway has it."""
    before = serving.lent

    def is_lent() -> bool:
        assert ask(one, **headers)[0] == 200
        return serving.lent > before

    wait_until(is_lent, "lent", every_s=0.02)
    return one


def gateways() -> list[int]:
    """Processes of this one."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    children = [int(child) for task in tasks for child in read(task / "children").split()]
    return [child for child in children if b"streamlearner.gateway" in command_of(child)]


def command_of(process: int) -> bytes:
    return read(Path(f"/proc/{process}/cmdline"))


def read(path: Path) -> bytes:
    """Nothing, where the process or the thread has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
