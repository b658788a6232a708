"""What a schema cannot say, for schemathesis: pictures that can be decoded, of the stream's shape.

SCHEMATHESIS_HOOKS=tests.support.openapi_hooks schemathesis run ADDRESS/openapi.json --checks all
"""

from __future__ import annotations

import base64
import io
import os

import msgpack
import numpy as np
import schemathesis
from hypothesis import strategies as st
from PIL import Image

SIDE = int(os.environ.get("OPENAPI_SIDE", "8"))
"""The stream's images are grey, of so many pixels a side."""


def encoded(level: int, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE), level, np.uint8)).save(stream, kind)
    return stream.getvalue()


def pictures(kind: str) -> st.SearchStrategy[bytes]:
    return st.integers(0, 255).map(lambda level: encoded(level, kind))


def rows(count: int) -> bytes:
    """So many examples in one body."""
    inputs = bytes(count * SIDE**2)
    body = {"inputs": inputs, "shape": [count, SIDE, SIDE], "dtype": "uint8", "labels": [0] * count}
    packed: bytes = msgpack.packb(body)
    return packed


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """What is more than OpenAPI can demand: one of two parameters, and not both; of two times one before the
    other; a length that is that of something."""
    meta, query = case.meta, case.query or {}
    if meta is None or not meta.generation.mode.is_positive:
        return True
    if "Inference-Header-Content-Length" in (case.headers or {}):
        return False  # which is the length of a part of the body
    if case.operation.label == "DELETE /v1/examples":
        return len({"label", "task"} & set(query)) == 1
    if case.operation.label == "GET /v1/history" and "since_s" in query:
        return float(query["since_s"]) < float(query.get("until_s", "inf"))
    return True


for media, kind in (("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("tiff", "TIFF")):
    schemathesis.openapi.media_type(f"image/{media}", pictures(kind))
schemathesis.openapi.media_type("application/octet-stream", st.binary(min_size=SIDE**2, max_size=SIDE**2))
schemathesis.openapi.media_type("application/vnd.msgpack", st.integers(1, 9).map(rows))
schemathesis.openapi.format("picture", pictures("PNG").map(lambda data: base64.b64encode(data).decode()))
