"""Flat tensors as the bytes of a safetensors file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import safetensors.torch
import torch
from torch import Tensor

SUFFIX = ".safetensors"


def serialised(name: str, tensors: Mapping[str, Tensor]) -> bytes:
    """Of a file called `name`. Raises `ValueError` for names that could not be read again."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ValueError(
            f"the tensor file name {name!r} has other characters than letters, digits, '_', '.' and '-'"
        )
    if "__metadata__" in tensors:
        raise ValueError(
            f"the tensor key '__metadata__' in {name!r} is reserved by the safetensors format: rename it"
        )
    # A copy of its own for each: the format knows neither strides nor storage shared between tensors.
    whole = {
        key: tensors[key].detach().cpu().clone(memory_format=torch.contiguous_format)
        for key in sorted(tensors)
    }
    return safetensors.torch.save(whole)


def metadata_of(data: bytes) -> dict[str, str]:
    """Of a file that can be read: its header is JSON, whose length stands before it in 8 bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    found: dict[str, str] = json.loads(data[8:end]).get("__metadata__") or {}
    return found
