"""Answers of the Open Inference Protocol."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from streamlearner.answer_models.shown import shown


@shown({"name": "streamlearner", "version": "0.1.0", "extensions": ["binary_tensor_data"]})
class ServerMetadata(TypedDict):
    name: str
    version: str
    extensions: list[str]


class TensorMetadata(TypedDict):
    name: str
    datatype: str
    shape: list[int]


@shown(
    {
        "name": "streamlearner",
        "versions": ["2", "2.1757"],
        "platform": "streamlearner",
        "inputs": [{"name": "input", "datatype": "UINT8", "shape": [-1, 8, 8]}],
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [-1]}],
    }
)
class ModelMetadata(TypedDict):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


@shown({"ready": True})
class ProtocolReady(TypedDict):
    ready: bool


class OutputTensor(TypedDict):
    name: str
    datatype: str
    shape: list[int]
    data: NotRequired[Annotated[list[Any] | None, Field(description="absent where raw bytes were asked for")]]


@shown(
    {
        "model_name": "streamlearner",
        "model_version": "2.1757",
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [1], "data": ["4"]}],
    }
)
class Inferred(TypedDict):
    model_name: str
    model_version: str
    id: NotRequired[str | None]
    outputs: list[OutputTensor]


@shown({"name": "streamlearner", "version": "2.1757", "state": "READY", "reason": ""})
class IndexEntry(TypedDict):
    name: str
    version: str
    state: str
    reason: str
