"""Requests of the Open Inference Protocol with 4x4 pictures, and what their answers hold."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.support.serving_fakes import picture

INFER = "/v2/models/streamlearner/infer"


LENGTH = "inference-header-content-length"


def tensor(data: Any, *, shape: list[int], datatype: str = "UINT8", name: str = "input") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def pictures(*levels: int, **more: Any) -> dict[str, Any]:
    """A request with one 4x4 picture for each level."""
    data = [picture(level) for level in levels]
    return {"inputs": [tensor(data, shape=[len(levels), 4, 4])]} | more


def encoded(level: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4), level, np.uint8)).save(stream, format=kind, quality=100)
    return stream.getvalue()


def outputs(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output for output in answer.json()["outputs"]}


def labels(answer: httpx.Response) -> list[str]:
    found: list[str] = outputs(answer)["label"]["data"]
    return found


def binary(request: dict[str, Any], *raws: bytes) -> tuple[bytes, dict[str, str]]:
    text = json.dumps(request).encode()
    return b"".join([text, *raws]), {LENGTH: str(len(text))}
