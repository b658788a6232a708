"""A module as a file: ONNX, or a program of torch.export. Both from one trace."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from streamlearner.errors import ConfigError
from streamlearner.export.card import Card, Signature
from streamlearner.export.graph import NotExportable, as_sent

FILES = {"onnx": "model.onnx", "torch": "model.pt2"}
"""The file of each format."""
OPSET = 18
LARGEST_BYTES = 2**31 - 1
"""Of one ONNX file: a protobuf message holds no more."""
INSTALL = "pip install 'streamlearner[export]'"


def check_formats(formats: Sequence[str]) -> None:
    """Raises `ConfigError` for one that this installation cannot write."""
    if "onnx" in formats:
        try:
            import onnx
            import onnxscript  # noqa: F401
        except ModuleNotFoundError as error:
            raise ConfigError(f"ONNX files need {error.name}: {INSTALL}") from error
        assert onnx


def traced(module: nn.Module, signature: Signature) -> torch.export.ExportedProgram:
    """The program that the module is, for any number of inputs. Raises `NotExportable`."""
    dtype = getattr(torch, signature.dtype)
    example: tuple[torch.Tensor, ...] = (as_sent(torch.zeros(3, *signature.shape, dtype=dtype)),)
    if signature.takes_tasks:
        example += (torch.zeros(3, dtype=torch.int64),)
    batch = torch.export.Dim("batch", min=1, max=2**20)
    try:
        with torch.no_grad(), _quiet():
            return torch.export.export(module, example, dynamic_shapes=tuple({0: batch} for _ in example))
    except Exception as error:  # torch.export has one for each thing that it cannot follow
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotExportable(f"torch.export cannot follow what answers: {reason}") from error


def written(format: str, program: torch.export.ExportedProgram, card: Card) -> bytes:
    """The file. Raises `NotExportable`."""
    return _onnx(program, card) if format == "onnx" else _torch(program, card)


def _torch(program: torch.export.ExportedProgram, card: Card) -> bytes:
    held = io.BytesIO()
    with _quiet():
        torch.export.save(program, held, extra_files=_named(card))
    return held.getvalue()


def _onnx(program: torch.export.ExportedProgram, card: Card) -> bytes:
    document = card.signature.document()
    inputs = [each["name"] for each in document["inputs"]]
    try:
        with _quiet():
            made = torch.onnx.export(
                program,
                (),
                input_names=inputs,
                output_names=["probabilities"],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # of torch, onnxscript or onnx_ir
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotExportable(f"torch.onnx cannot write what answers: {reason}") from error
    assert made is not None
    proto: Any = made.model_proto
    proto.producer_name, proto.producer_version = "streamlearner", card.code_version
    del proto.metadata_props[:]
    for key, value in _named(card).items():
        proto.metadata_props.add(key=key, value=value)
    _name_batch(proto, inputs)
    if proto.ByteSize() > LARGEST_BYTES:
        raise NotExportable(
            f"the ONNX file would have {proto.ByteSize():,} bytes; it can have {LARGEST_BYTES:,}"
        )
    found: bytes = proto.SerializeToString(deterministic=True)
    return found


def _named(card: Card) -> dict[str, str]:
    """What a file says of itself, for whoever has it without its card."""
    signature = card.signature.document()
    return {
        "model_version": card.model_version,
        "classes": json.dumps(card.classes, ensure_ascii=False),
        "tasks": json.dumps(card.tasks, ensure_ascii=False),
        "layout": signature["layout"],
    }


def _name_batch(proto: Any, inputs: Sequence[str]) -> None:
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    found = [value.name for value in proto.graph.input]
    assert found == list(inputs), found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """torch and onnxscript tell of their progress, and warn of what they will do some day."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx")]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)
