"""What both clients do with a request and its answer, apart from the sending itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx

from streamlearner.client.calls import Answer, Call
from streamlearner.client.connection import Connection
from streamlearner.client.errors import NotADaemon, refused
from streamlearner.errors import StreamlearnerError


def arguments(call: Call[Any]) -> dict[str, Any]:
    """What `request` of httpx takes for a call."""
    found: dict[str, Any] = {"method": call.method, "url": call.path}
    if call.params:
        found["params"] = dict(call.params)
    if call.body is not None:
        found["content"] = call.body if isinstance(call.body, bytes) else _written(call.body)
        found["headers"] = {"content-type": call.media}
    return found


def _written(body: Any) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, default=_plain).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise StreamlearnerError(
            f"this cannot be sent ({error}); expected numbers, texts, lists of them or arrays: in a list a "
            "missing number is None, in an array NaN"
        ) from None


def _plain(value: Any) -> Any:
    """Labels, ids and numbers are often numpy's, and lists often of its arrays."""
    if hasattr(value, "__array__") and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a value of the type {type(value).__name__}")


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
