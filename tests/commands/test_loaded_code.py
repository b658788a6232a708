"""A process that has loaded its libraries lets go of the code that only loading needed."""

from __future__ import annotations

import ctypes
import mmap
import subprocess
import sys
from pathlib import Path

import pytest

from streamlearner.commands.loaded_code import MAPPINGS, unmap_loaded_code

LOADED = """
from pathlib import Path
import torch
from streamlearner.commands.loaded_code import unmap_loaded_code
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
before = resident()
told = unmap_loaded_code()
print(told, before - resident(), torch.linalg.eigvalsh(torch.eye(3)).sum().item())
"""
pytestmark = pytest.mark.skipif(not MAPPINGS.exists(), reason="needs the mappings of Linux")


def test_code_that_only_loading_needed_is_resident_no_more_and_the_rest_comes_back() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=300)
    told, fallen, answer = map(float, done.stdout.split())
    assert told > 10 * 2**20
    assert fallen > told / 2
    assert answer == 3.0


def test_code_that_somebody_changed_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "code"
    file.write_bytes(b"a" * mmap.PAGESIZE)
    with file.open("rb") as opened:
        mapped = mmap.mmap(
            opened.fileno(), mmap.PAGESIZE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE
        )
    mapped[0:1] = b"b"
    where, protect = ctypes.addressof(ctypes.c_char.from_buffer(mapped)), ctypes.CDLL(None).mprotect
    if protect(ctypes.c_void_p(where), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_EXEC):
        pytest.skip("this folder's files may not be run")
    unmap_loaded_code()
    assert ctypes.string_at(where, 2) == b"ba"


def test_other_systems_keep_what_they_have(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("streamlearner.commands.loaded_code.MAPPINGS", tmp_path / "none")
    assert unmap_loaded_code() == 0
