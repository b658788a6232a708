"""Requests and answers of the protocol as protobuf messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamlearner.decoding.labels import shown
from streamlearner.errors import InvalidInput
from streamlearner.serving.open_inference.bodies import refuse_classification
from streamlearner.serving.open_inference.model import InferRequest, InferResponse
from streamlearner.serving.open_inference.rpc_messages import Messages
from streamlearner.serving.open_inference.tensors import NamedTensor, from_raw, from_values

CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The list that holds the values of each datatype; FP16 and BF16 come raw only."""


def read(message: Any) -> InferRequest:
    """What a ModelInferRequest asks. Raises `InvalidInput`."""
    if not message.inputs:
        raise InvalidInput("empty", "inputs is empty; expected one tensor")
    for output in message.outputs:
        refuse_classification(output.name, parameters(output.parameters))
    return InferRequest(
        tensors=_tensors(message.inputs, message.raw_input_contents),
        outputs=[output.name for output in message.outputs],
        parameters=parameters(message.parameters),
        version=message.model_version,
    )


def answer(found: InferResponse, message: Any, *, model: str, messages: Messages) -> Any:
    """A ModelInferResponse, raw where `message`, the request, is: tritonclient reads nothing but raw
    contents, and a client that sent lists of values need not know how to read bytes."""
    response = messages.new(
        "ModelInferResponse", model_name=model, model_version=found.version, id=message.id
    )
    for name, value in found.parameters.items():
        response.parameters[name].string_param = value
    for tensor in found.tensors:
        output = response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if message.raw_input_contents:
            response.raw_output_contents.append(tensor.raw())
        else:
            values = list(tensor.values.flat) if tensor.datatype == "BYTES" else tensor.listed()
            getattr(output.contents, CONTENTS[tensor.datatype]).extend(values)
    return response


def parameters(found: Mapping[str, Any]) -> dict[str, Any]:
    """Their plain values; one without a value counts as none."""
    chosen = {name: value.WhichOneof("parameter_choice") for name, value in found.items()}
    return {name: getattr(found[name], choice) for name, choice in chosen.items() if choice}


def _tensors(found: Sequence[Any], raws: Sequence[bytes]) -> list[NamedTensor]:
    if not raws:
        return [_of_contents(each) for each in found]
    if len(raws) != len(found):
        text = f"{len(raws)} raw_input_contents for {len(found)} inputs; expected one for each, or none"
        raise InvalidInput("shape", text)
    for each in found:
        if each.HasField("contents"):
            text = f"tensor {shown(each.name)} has contents beside raw_input_contents; expected one of them"
            raise InvalidInput("shape", text)
    return [
        from_raw(each.name, each.datatype, each.shape, raw) for each, raw in zip(found, raws, strict=True)
    ]


def _of_contents(found: Any) -> NamedTensor:
    if found.datatype in ("FP16", "BF16"):
        text = f"tensor {shown(found.name)} is {found.datatype}; expected it in raw_input_contents"
        raise InvalidInput("dtype", text)
    listed = {field.name for field, _ in found.contents.ListFields()}
    own = CONTENTS.get(found.datatype)
    if own is not None and listed - {own}:
        text = f"tensor {shown(found.name)} of {found.datatype} has {', '.join(sorted(listed))}"
        raise InvalidInput("dtype", f"{text}; expected {own}")
    values = getattr(found.contents, own) if own else []
    return from_values(found.name, found.datatype, found.shape, list(values))
