"""Flat tensors as the bytes of a safetensors file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import torch
from torch import Tensor

SUFFIX = ".safetensors"
_KINDS = {
    torch.uint64: "U64", torch.int64: "I64", torch.float64: "F64", torch.complex64: "C64",
    torch.float32: "F32", torch.uint32: "U32", torch.int32: "I32", torch.bfloat16: "BF16",
    torch.float16: "F16", torch.uint16: "U16", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL",
}  # fmt: skip
"""The format's name of each type."""
_ORDER = list(_KINDS)
"""In which safetensors writes tensors: the widest types first."""


def serialised(name: str, tensors: Mapping[str, Tensor]) -> list[memoryview]:
    """The parts, one after the other, of a file called `name`: those that safetensors would write, without
    the two copies that it makes, and holds the interpreter for. The tensors may not change until they are
    written. Raises `ValueError` for names that could not be read again, and for types that the format has no
    name for."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ValueError(
            f"the tensor file name {name!r} has other characters than letters, digits, '_', '.' and '-'"
        )
    if "__metadata__" in tensors:
        raise ValueError(
            f"the tensor key '__metadata__' in {name!r} is reserved by the safetensors format: rename it"
        )
    header, parts, end = {}, [], 0
    for key in sorted(tensors, key=lambda key: (_rank(key, tensors[key]), key.encode())):
        tensor = tensors[key].detach().cpu()
        flat = tensor.reshape(-1) if tensor.is_contiguous() and tensor.numel() > 1 else _copied(tensor)
        parts.append(flat.view(torch.uint8).numpy().data)
        start, end = end, end + parts[-1].nbytes
        kind, shape = _KINDS[tensor.dtype], list(tensor.shape)
        header[key] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return [memoryview(len(text).to_bytes(8, "little") + text), *parts]


def _copied(tensor: Tensor) -> Tensor:
    """In one run; a single value, too, as one that was expanded has a stride that no view can have."""
    return tensor.clone(memory_format=torch.contiguous_format).reshape(-1)


def _rank(key: str, tensor: Tensor) -> int:
    if tensor.dtype not in _KINDS:
        raise ValueError(f"the tensor {key!r} is {tensor.dtype}: the format has no name for that")
    return _ORDER.index(tensor.dtype)


def metadata_of(data: bytes) -> dict[str, str]:
    """Of a file that can be read: its header is JSON, whose length stands before it in 8 bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    found: dict[str, str] = json.loads(data[8:end]).get("__metadata__") or {}
    return found
