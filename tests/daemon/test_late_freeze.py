"""A daemon that freezes its own lower half once the readout stops rising, through kills and restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamlearner.connectors.memory import MemorySource
from tests.support import daemon_runs as runs

SETTINGS: dict[str, Any] = {
    "method__name": "late_freeze",
    "method__late_freeze__freeze_after": None,
    "method__late_freeze__patience": 2,
    "memory__budget_bits": 16_000,
}


def is_cut(state: dict[str, Any]) -> bool:
    return any(name.startswith("method/cut") for name in state)


def test_it_freezes_after_sleeps_whose_readout_did_not_rise(tmp_path: Path) -> None:
    cut = []
    for number, count in enumerate((150, 400)):
        folder = tmp_path / str(number)
        runs.run(runs.settings(folder, **SETTINGS), MemorySource(runs.a_mixed_stream(count)))
        cut.append(is_cut(runs.state(folder)))
    assert cut == [False, True]


@pytest.mark.parametrize("at", [[33, 111, 170], [205, 233, 260], [301, 333, 390]])
def test_a_run_killed_and_restarted_freezes_as_one_that_was_not(tmp_path: Path, at: list[int]) -> None:
    once, killed = (runs.settings(tmp_path / name, **SETTINGS) for name in ("once", "killed"))
    runs.run(once, MemorySource(runs.a_mixed_stream(400)))
    runs.run_with_crashes(killed, runs.a_mixed_stream(400), at=at)
    assert is_cut(runs.state(tmp_path / "once"))
    assert runs.differing(runs.state(tmp_path / "once"), runs.state(tmp_path / "killed")) == []
