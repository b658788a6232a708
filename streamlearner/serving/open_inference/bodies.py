"""Bodies of the protocol over HTTP: JSON, and behind it the raw bytes of tensors (the binary extension)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field
from starlette.responses import Response

from streamlearner.decoding.labels import shown
from streamlearner.errors import InvalidInput
from streamlearner.serving.bodies import Body, parse
from streamlearner.serving.open_inference.model import InferRequest, InferResponse
from streamlearner.serving.open_inference.outputs import OUTPUTS
from streamlearner.serving.open_inference.tensors import (
    DATATYPES,
    MOST_DIMENSIONS,
    NamedTensor,
    from_raw,
    from_values,
)
from streamlearner.serving.problems import Json

HEADER = "inference-header-content-length"
"""How many bytes of the body are JSON; absent where all are."""
HEADER_PARAMETER: dict[str, Any] = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "required": False,
    "description": "how many bytes of the body are JSON, where the bytes of tensors stand behind it",
    "schema": {"type": "integer", "minimum": 1},
}
"""The same in OpenAPI."""
RAW = "application/octet-stream"

Parameters = dict[str, Any]


class InputTensor(Body):
    example: ClassVar = {
        "name": "input", "shape": [1, 2, 2], "datatype": "UINT8", "data": [0, 128, 255, 64],
    }  # fmt: skip
    name: str
    shape: list[int] = Field(
        json_schema_extra={
            "items": {"type": "integer", "minimum": 0},
            "minItems": 1,
            "maxItems": MOST_DIMENSIONS,
        }
    )
    datatype: str = Field(json_schema_extra={"enum": list(DATATYPES)})
    parameters: Parameters | None = Field(
        None, description="binary_data_size: its bytes stand behind the JSON"
    )
    data: list[Any] | None = Field(None, description="flat or nested, row-major")


class RequestedOutput(Body):
    example: ClassVar = {"name": "probabilities", "parameters": {"binary_data": True}}
    name: str = Field(json_schema_extra={"enum": list(OUTPUTS)})
    parameters: Parameters | None = Field(None, description="binary_data: true for raw bytes")


class InferBody(Body):
    example: ClassVar = {"id": "17", "inputs": [InputTensor.example]}
    inputs: list[InputTensor] = Field(
        description='one tensor: {"name", "shape", "datatype", "data"}',
        json_schema_extra={"minItems": 1, "maxItems": 1},
    )
    outputs: list[RequestedOutput] | None = Field(None, description='of {"name"}; null or empty: all')
    id: str | None = Field(None, description="comes back in the answer")
    parameters: Parameters | None = Field(
        None, description="task: as in /v1/predict; binary_data_output: true for raw bytes of all outputs"
    )
    model_name: str | None = Field(None, description="ignored: the path names the model")
    model_version: str | None = Field(None, description="ignored: the path names the version")


class IndexBody(Body):
    example: ClassVar = {"ready": True}
    ready: bool = Field(False, description="true: only models that are ready")


@dataclass(frozen=True, slots=True)
class Read:
    """A body as it was read; `binary` are the names of outputs that go back as raw bytes."""

    request: InferRequest
    id: str | None
    binary: frozenset[str]
    all_binary: bool


def read(body: bytes, header: str | None, *, version: str | None) -> Read:
    """The request in `body`, whose first `header` bytes are JSON. Raises `InvalidInput`."""
    split = _length(header, len(body))
    found = parse(InferBody, body[:split])
    if not found.inputs:
        raise InvalidInput("empty", "inputs is empty; expected one tensor")
    parameters, wanted = found.parameters or {}, found.outputs or []
    for output in wanted:
        refuse_classification(output.name, output.parameters or {})
    return Read(
        request=InferRequest(
            tensors=_tensors(found.inputs, body[split:]),
            outputs=[output.name for output in wanted],
            parameters=parameters,
            version=version,
        ),
        id=found.id,
        binary=frozenset(each.name for each in wanted if _flag(each.parameters, "binary_data")),
        all_binary=_flag(parameters, "binary_data_output")
        and not any("binary_data" in (each.parameters or {}) for each in wanted),
    )


def answer(found: InferResponse, asked: Read, *, model: str) -> Response:
    """JSON, with the bytes of those outputs behind it that were asked for so."""
    raws: list[bytes] = []
    content: dict[str, Any] = {"model_name": model, "model_version": found.version}
    if asked.id is not None:
        content["id"] = asked.id
    content["parameters"] = found.parameters
    content["outputs"] = [_output(each, asked, raws) for each in found.tensors]
    if not raws:
        return Json(content)
    text = json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
    return Response(b"".join([text, *raws]), media_type=RAW, headers={HEADER: str(len(text))})


def refuse_classification(name: str, parameters: Parameters) -> None:
    """An output by its best classes alone, an extension that is not spoken here, would not be what was asked.
    Raises `InvalidInput`."""
    if parameters.get("classification"):
        text = f"output {shown(name)} is asked for with classification (class_count)"
        raise InvalidInput("json", f"{text}, which is not spoken here; ask for label and probabilities")


def _length(header: str | None, size: int) -> int:
    if header is None:
        return size
    if not (header.isascii() and header.isdecimal() and len(header) < 19 and int(header) <= size):
        text = f"{HEADER} is {header[:40]!r}; expected the number of bytes of JSON, at most {size}"
        raise InvalidInput("headers", text)
    return int(header)


def _tensors(found: Sequence[InputTensor], raw: bytes) -> list[NamedTensor]:
    """Each takes its bytes from the front of `raw`, which they use up."""
    tensors: list[NamedTensor] = []
    place = 0
    for each in found:
        size = (each.parameters or {}).get("binary_data_size")
        if size is None:
            if each.data is None:
                raise InvalidInput("json", f"tensor {shown(each.name)} has neither data nor binary_data_size")
            tensors.append(from_values(each.name, each.datatype, each.shape, each.data))
            continue
        if type(size) is not int or not 0 <= size <= len(raw) - place or each.data is not None:
            text = f"tensor {shown(each.name)}: binary_data_size is {shown(size)}"
            expected = f"expected at most the {len(raw) - place} bytes left behind the JSON, and no data"
            raise InvalidInput("shape", f"{text}; {expected}")
        tensors.append(from_raw(each.name, each.datatype, each.shape, raw[place : place + size]))
        place += size
    if place != len(raw):
        text = f"{len(raw)} bytes stand behind the JSON; the tensors' binary_data_size add up to {place}"
        raise InvalidInput("shape", text)
    return tensors


def _output(tensor: NamedTensor, asked: Read, raws: list[bytes]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
    }
    if not asked.all_binary and tensor.name not in asked.binary:
        return content | {"data": tensor.listed()}
    raws.append(tensor.raw())
    return content | {"parameters": {"binary_data_size": len(raws[-1])}}


def _flag(parameters: Parameters | None, name: str) -> bool:
    value = (parameters or {}).get(name, False)
    if type(value) is not bool:
        raise InvalidInput("json", f"parameter {name} is {shown(value)}; expected true or false")
    return value
