"""An exported file, run again: inputs as they are sent to probabilities."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from streamlearner.errors import CheckpointError, ConfigError

Run: TypeAlias = Callable[[Sequence[Tensor]], Tensor]
"""`[input]` or `[input, task]`, as the signature has them, to probabilities. Any thread may call it."""


_ONE_AT_A_TIME = threading.Lock()
"""torch.export.load keeps what it is about in a global: a second thread that loads meanwhile fails."""


def can_run(format: str) -> bool:
    """Whether this installation has what such a file needs."""
    if format != "onnx":
        return format == "torch"
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return False
    return bool(onnxruntime)


def loaded(format: str, data: bytes, *, threads: int | None = None, where: str) -> Run:
    """Raises `CheckpointError` for what cannot be run here."""
    try:
        return _onnx(data, threads=threads) if format == "onnx" else _torch(data)
    except ConfigError:
        raise
    except Exception as error:  # each runtime has an exception for each kind of failure
        raise CheckpointError(f"{where} cannot be run: {str(error).strip().splitlines()[0]}") from error


def _torch(data: bytes) -> Run:
    with _ONE_AT_A_TIME:
        program: Any = torch.export.load(io.BytesIO(data)).module()

    def run(given: Sequence[Tensor]) -> Tensor:
        with torch.inference_mode():
            found: Tensor = program(*given)
            return found

    return run


def _onnx(data: bytes, *, threads: int | None) -> Run:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ConfigError("ONNX files need onnxruntime: pip install 'streamlearner[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or torch.get_num_threads()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(given: Sequence[Tensor]) -> Tensor:
        arrays = {name: each.numpy() for name, each in zip(names, given, strict=True)}
        return torch.from_numpy(session.run(None, arrays)[0])

    return run
