"""What both clients do with a request and its answer, apart from the sending itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx

from streamlearner.client.calls import Answer, Call
from streamlearner.client.connection import Connection
from streamlearner.client.errors import NotADaemon, refused


def arguments(call: Call[Any]) -> dict[str, Any]:
    """What `request` of httpx takes for a call."""
    found: dict[str, Any] = {"method": call.method, "url": call.path}
    if call.params:
        found["params"] = dict(call.params)
    if call.body is not None:
        found["content"] = json.dumps(call.body).encode()
        found["headers"] = {"content-type": "application/json"}
    return found


def settings(connection: Connection) -> dict[str, Any]:
    """What `Client` and `AsyncClient` of httpx are made with."""
    return {
        "base_url": connection.address,
        "headers": connection.headers,
        "timeout": connection.timeout_s,
        "verify": connection.verify,
        "trust_env": connection.uses_environment,
    }


def read(call: Call[Answer], answer: httpx.Response) -> Answer:
    """The answer as the call reads it. Raises `Refused`, or `NotADaemon`."""
    if answer.is_success or answer.status_code in call.also:
        try:
            return call.read(answer)
        except (ValueError, KeyError, TypeError):
            raise NotADaemon(
                f"{answer.url} answers, but not in JSON: is --address that of a streamlearner daemon?"
            ) from None
    try:
        document = answer.json()
    except ValueError:
        document = None
    raise refused(
        str(answer.url),
        status=answer.status_code,
        headers=answer.headers,
        document=document,
        text=answer.text or answer.reason_phrase,
        now=datetime.now(UTC),
    )
