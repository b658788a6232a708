"""Eyes that are one file: ONNX, or a program of torch.export."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from streamlearner.errors import ConfigError
from streamlearner.eyes.eye import Sight

SUFFIXES = (".onnx", ".pt2")


class FileEye(NamedTuple):
    """`body` takes [n, 3, H, W]; `side` is the only one that it takes, None where it takes any."""

    body: Callable[[Tensor], Tensor]
    side: int | None


def read(path: Path, *, layer: str | None) -> FileEye:
    """The network in the file. Raises `ConfigError`."""
    check(path)
    if layer is not None:
        raise ConfigError(f"eye.layer is {layer}, but {path} is one piece: cut it when you export it")
    return _onnx(path) if path.suffix == ".onnx" else _exported(path)


def check(path: Path) -> None:
    """Raises `ConfigError` where it is not there."""
    if not path.is_file():
        raise ConfigError(f"eye.name: there is no file {path}")


def files_of(path: Path) -> list[Path]:
    """The file, and those beside it that hold its weights: torch.onnx.export writes a second one."""
    return [path, *sorted(path.parent.glob(f"{path.name}?data"))]


def digest_of(path: Path, *, sight: Sight, places: int = 1) -> str:
    """SHA-256 of the file's bytes, of the sight, and of the places that are told apart (which were one
    once)."""
    how = asdict(sight) | ({"places": places} if places > 1 else {})
    found = hashlib.sha256(json.dumps(how, sort_keys=True).encode())
    for each in files_of(path):
        with each.open("rb") as opened:
            found.update(hashlib.file_digest(opened, "sha256").digest())
    return found.hexdigest()


def bits_of(path: Path) -> int:
    """Those of the file: how many of them are weights it does not tell."""
    return 8 * sum(each.stat().st_size for each in files_of(path))


class OnnxBody:
    """A session of onnxruntime as a function of tensors."""

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise ConfigError(f"{path} needs onnxruntime: pip install 'streamlearner[onnx]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # onnxruntime has an exception of its own for each kind of failure
            raise ConfigError(f"{path} cannot be read as ONNX: {error}") from error
        (self._input, *others), self._output = self._session.get_inputs(), self._session.get_outputs()[0].name
        if others:
            raise ConfigError(f"{path} takes {1 + len(others)} inputs; an eye takes one, [n, 3, H, W]")

    @property
    def shape(self) -> Sequence[Any]:
        """Of its input; what is no number may be any."""
        found: Sequence[Any] = self._input.shape
        return found

    def __call__(self, images: Tensor) -> Tensor:
        given = {self._input.name: images.contiguous().cpu().numpy()}
        return torch.from_numpy(self._session.run([self._output], given)[0])


def _onnx(path: Path) -> FileEye:
    body = OnnxBody(path)
    batch, *_, side = body.shape if len(body.shape) == 4 else (None, None)
    fixed = batch if isinstance(batch, int) else None
    return FileEye(_in_batches_of(fixed, body), side if isinstance(side, int) else None)


def _exported(path: Path) -> FileEye:
    try:
        program = torch.export.load(path)
    except Exception as error:  # of a torn file, or another torch
        raise ConfigError(f"{path} cannot be read as a program of torch.export: {error}") from error
    inputs = [node.meta["val"].shape for node in program.graph.nodes if node.name in _user_inputs(program)]
    if len(inputs) != 1 or len(inputs[0]) != 4:
        raise ConfigError(f"{path} takes {len(inputs)} inputs; an eye takes one, [n, 3, H, W]")
    batch, *_, side = (size if isinstance(size, int) else None for size in inputs[0])
    return FileEye(_in_batches_of(batch, program.module()), side)


def _user_inputs(program: Any) -> Sequence[str]:
    found: Sequence[str] = program.graph_signature.user_inputs
    return found


def _in_batches_of(size: int | None, body: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A network that was exported for batches of one size takes no other (an example of one, and torch takes
    one for ever): it is given such, the last one filled up."""
    if size is None:
        return body

    def batched(images: Tensor) -> Tensor:
        short = -len(images) % size
        whole = torch.cat([images, images[:1].expand(short, -1, -1, -1)]) if short else images
        return torch.cat([body(part) for part in torch.split(whole, size)])[: len(images)]

    return batched
