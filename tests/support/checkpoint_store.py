"""What the checkpoint tests share: small stores, damage, and processes that die at a chosen instant."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor

from streamlearner.state.checkpoint import Checkpoint, CheckpointStore
from streamlearner.state.format_upgrade import upgraded

Fault = Callable[[str], None]
Action = Callable[[CheckpointStore], object]


def no_fault(step: str) -> None:
    """Lets everything happen."""


def a_store(folder: Path, *, keep: int = 3, fault: Fault = no_fault) -> CheckpointStore:
    return CheckpointStore(
        folder, keep=keep, clock=lambda: 1_700_000_000.5, code_version="1.2.3", fault=fault
    )


def save(store: CheckpointStore, value: int, *, numel: int = 10) -> int:
    """A checkpoint all of whose parts say `value`, so that a mixture of two would show."""
    return store.save(
        tensors={"model": {"w": torch.full((numel,), value)}, "memory": {"codes": torch.tensor([value])}},
        facts={"value": value},
        position={"0": value},
        method="recollection_replay",
        config_digest="abc",
        examples=value * 10,
    )


def value_of(checkpoint: Checkpoint | None) -> int | None:
    """The value that all parts agree on; None where there is no checkpoint."""
    if checkpoint is None:
        return None
    said = {
        checkpoint.facts["value"],
        checkpoint.manifest.position["0"],
        *checkpoint.tensors["model"]["w"].tolist(),
        *checkpoint.tensors["memory"]["codes"].tolist(),
    }
    assert len(said) == 1, f"torn: {said}"
    return int(said.pop())


def numbers(store: CheckpointStore) -> list[int]:
    return [entry.number for entry in store.entries()]


def hidden_names(folder: Path) -> list[str]:
    """Everything that is neither a checkpoint nor meant to stay."""
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".") and p.name != ".writing")


def exactly_equal(one: Tensor, other: Tensor) -> bool:
    """Same dtype, shape and bytes (NaN payloads and signed zeros too)."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    flat = [
        t.detach().contiguous().reshape(-1).view(torch.uint8) if t.numel() else t.reshape(-1)
        for t in (one, other)
    ]
    return torch.equal(flat[0], flat[1])


def spoil(path: Path) -> None:
    """Changes one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def survives(child: Callable[[], None], *, killed_by: signal.Signals = signal.SIGKILL) -> bool:
    """Runs `child` in a forked process; True if it came to its end, False if `killed_by` ended it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            torch.set_num_threads(1)  # the fork computes by itself: torch was seen to hang otherwise
            child()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            if os.WIFSIGNALED(status):
                assert os.WTERMSIG(status) == killed_by
                return False
            assert os.WEXITSTATUS(status) == 0, "the child failed with an exception"
            return True
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pytest.fail("the child hung")


def kill_at(instant: int) -> Fault:
    """A fault that kills its process at the nth step (0 is the first)."""
    steps = iter(range(instant + 1))

    def fault(step: str) -> None:
        if next(steps, instant) == instant:
            os.kill(os.getpid(), signal.SIGKILL)

    return fault


def prepared(folder: Path, values: int) -> Path:
    store = a_store(folder)
    for value in range(1, values + 1):
        save(store, value, numel=100_000)  # 800 kB: several chunks
    return folder


def disk_error(at: str, code: int) -> Fault:
    def fault(step: str) -> None:
        if step.startswith(at):
            raise OSError(code, os.strerror(code))

    return fault


def newest_files(state: Path) -> dict[str, dict[str, Any]]:
    """Of the newest checkpoint, under today's names: facts, and tensors by name."""
    newest = max(path for path in (state / "checkpoints").iterdir() if path.name.isdigit())
    tensors: dict[str, dict[str, Any]] = {path.stem: load_file(path) for path in newest.glob("*.safetensors")}
    facts, manifest = (json.loads((newest / f"{name}.json").read_text()) for name in ("facts", "manifest"))
    tensors, facts = upgraded(tensors, facts, format=manifest["format"])
    return tensors | {"facts": facts}
