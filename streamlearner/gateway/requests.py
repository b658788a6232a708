"""What a plain request is, and its answer. None means: unusual, the daemon answers it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from streamlearner.decoding.inputs import Limits, read_input
from streamlearner.decoding.labels import parse_text
from streamlearner.errors import InvalidInput
from streamlearner.gateway.frames import Reply, Told

REQUEST_LINE = b"POST /v1/predict HTTP/1.1"
FORWARDED = frozenset(("x-forwarded-for", "x-forwarded-proto", "forwarded"))
"""Headers that say who a proxy's client is: of no account where each may ask as often as it likes."""
MEANS_SOMETHING = FORWARDED | {
    "transfer-encoding", "content-encoding", "expect", "upgrade", "origin", "te", "trailer",
    "access-control-request-method",
}  # fmt: skip
"""Headers that the daemon looks at, and this does not understand."""
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_ONCE = ("host", "content-length", "content-type", "connection", "authorization")
_KEYS = {"inputs", "task", "return"}


@dataclass(frozen=True, slots=True)
class Rules:
    """What is plain: bodies of at most `max_bytes` with at most `max_batch` inputs within `limits`."""

    max_bytes: int
    max_batch: int
    limits: Limits
    headers: Collection[str] = MEANS_SOMETHING


class Head(NamedTuple):
    """What the head of a plain request says."""

    length: int
    host: bytes
    authorization: str


class Query(NamedTuple):
    """A plain request: `inputs` [n, C, H, W] uint8 or [n, d] float32."""

    inputs: NDArray[Any]
    task: str | None
    probabilities: bool


def read_head(head: bytes, rules: Rules) -> Head | None:
    """`head` ends before the empty line."""
    first, *lines = head.split(b"\r\n")
    if first != REQUEST_LINE:
        return None
    found: dict[str, bytes] = {}
    for line in lines:
        raw, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(raw.lower()) or not _VALUE.fullmatch(value):
            return None
        name = raw.lower().decode("ascii")
        if name in rules.headers or (name in _ONCE and name in found):
            return None
        found[name] = value.strip(b" \t")
    media = found.get("content-type", b"application/json").partition(b";")[0].strip().lower()
    length = found.get("content-length", b"")
    if media != b"application/json" or found.get("connection", b"keep-alive").lower() != b"keep-alive":
        return None
    if not re.fullmatch(rb"[0-9]{1,9}", length) or int(length) > rules.max_bytes or "host" not in found:
        return None
    return Head(int(length), found["host"], found.get("authorization", b"").decode("latin-1"))


def read_body(body: bytes, rules: Rules) -> Query | None:
    try:
        value = from_json(body, allow_inf_nan=False)
        if not isinstance(value, dict) or not value.keys() <= _KEYS:
            return None
        inputs, task, returns = value.get("inputs"), value.get("task"), value.get("return", [])
        if not isinstance(inputs, list) or not 1 <= len(inputs) <= rules.max_batch:
            return None
        if returns not in ([], ["probabilities"]):
            return None
        task = None if task is None else parse_text(task, "task")
        arrays = [_array(each, rules.limits) for each in inputs]
    except (ValueError, InvalidInput):
        return None
    if any(array.shape != arrays[0].shape for array in arrays):
        return None
    whole = np.ascontiguousarray(arrays[0])[np.newaxis] if len(arrays) == 1 else np.array(arrays, order="C")
    return Query(whole, task, bool(returns))


def _array(value: object, limits: Limits) -> NDArray[Any]:
    """Pictures in files have rules of their own, which the daemon has."""
    if isinstance(value, dict) and "image" in value:
        raise ValueError("an image file")
    return read_input(value, limits=limits)


def answer(reply: Reply, told: Told, headers: bytes) -> bytes:
    """As bytes to send."""
    names = [told.prediction_id]
    if len(told.answers) > 1:
        names = [f"{told.prediction_id}.{i}" for i in range(len(told.answers))]
    content = {
        "predictions": [
            {"label": label, "probability": probability, "route": reply.route, "prediction_id": name}
            | ({} if probabilities is None else {"probabilities": probabilities})
            for (label, probability, probabilities), name in zip(told.answers, names, strict=True)
        ],
        "model_version": reply.version,
        "prediction_id": told.prediction_id,
    }
    body = json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
    return b"".join((headers, str(len(body)).encode("ascii"), b"\r\n\r\n", body))


def answer_headers(more: Collection[tuple[str, str]]) -> bytes:
    """All of an answer up to its length. The date is that of now."""
    lines = [f"{name}: {value}" for name, value in (("date", formatdate(usegmt=True)), *more)]
    head = "\r\n".join(("HTTP/1.1 200 OK", *lines, "content-type: application/json", "content-length: "))
    return head.encode("latin-1")
