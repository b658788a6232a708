"""The bytes of a tensor file are those that safetensors writes, and they are written as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from streamlearner.state.durable_files import CHUNK_BYTES, write_file
from streamlearner.state.tensor_files import serialised

TYPES = (
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.float16, torch.bfloat16,
    torch.int32, torch.uint32, torch.float32, torch.complex64, torch.float64, torch.int64, torch.uint64,
)  # fmt: skip


def joined(tensors: dict[str, Tensor]) -> bytes:
    return b"".join(bytes(part) for part in serialised("model", tensors))


@pytest.mark.parametrize(
    "tensors",
    [
        {f"{name}{kind}": torch.tensor([3, 0, 1]).to(kind) for kind in TYPES for name in "ba"},
        {},
        {"none": torch.empty(0, 3), "one": torch.tensor(2.5), "turned": torch.arange(6.0).view(2, 3).T},
        {'a "quote"': torch.ones(1), "ü": torch.ones(1), "tab\t": torch.ones(1), "Z": torch.ones(1)},
    ],
    ids=["every type", "nothing", "shapes", "names"],
)
def test_the_bytes_are_those_that_safetensors_writes(tensors: dict[str, Tensor]) -> None:
    whole = {key: tensor.contiguous() for key, tensor in tensors.items()}
    assert joined(tensors) == safetensors.torch.save(whole)


def test_a_type_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'odd' is torch\.complex128"):
        serialised("model", {"odd": torch.ones(2, dtype=torch.complex128)})


@pytest.mark.parametrize("sizes", [(1, CHUNK_BYTES - 1, 3), (CHUNK_BYTES, 0, 2 * CHUNK_BYTES + 5), (7,), ()])
def test_parts_are_written_as_one_file_in_chunks_of_one_size(sizes: tuple[int, ...], tmp_path: Path) -> None:
    parts = [bytes(range(256)) * (size // 256 + 1) for size in sizes]
    parts = [part[:size] for part, size in zip(parts, sizes, strict=True)]
    told: dict[str, list[str]] = {"whole": [], "parts": []}
    whole = write_file(tmp_path / "whole", b"".join(parts), told["whole"].append)
    found = write_file(tmp_path / "parts", [memoryview(part) for part in parts], told["parts"].append)
    assert found == whole
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    assert [step.partition(" ")[2] for step in told["parts"]] == [
        step.partition(" ")[2] for step in told["whole"]
    ]
