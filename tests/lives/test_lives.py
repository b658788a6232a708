"""A short run of simulated lives; `make lives` has long ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.lives.__main__ import Log
from tests.lives.mutants import lives_until_caught
from tests.lives.simulation import violation

LIVES = 40
ONCE_BROKEN = (52, 1_946, 2_787, 29_267, 61_563, 114_561, 115_705, 360_859, 380_891, 512_851, 604_486)
"""Seeds of longer runs that found something."""


@pytest.fixture(autouse=True, scope="module")
def quiet_and_alone() -> Iterator[None]:
    """Lives log thousands of lines that nobody reads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    torch.set_num_threads(threads)


def test_no_life_of_a_short_run_breaks_a_promise() -> None:
    for seed in (*range(LIVES), *ONCE_BROKEN):
        assert (found := violation(seed)) is None, f"python -m tests.lives --first {seed} --lives 1: {found}"


@pytest.mark.parametrize(
    "name",
    [
        "a file is not synced",
        "a folder is not synced",
        "ids are forgotten",
        "the memory's buffer grows past its budget",
        "the memory's generator is forgotten",
    ],
)
def test_a_mistake_made_on_purpose_shows(name: str) -> None:
    """Those that take few lives; `python -m tests.lives --mutants` has all."""
    assert lives_until_caught(name, most=30) is not None


def test_a_stopped_run_goes_on_from_its_log(tmp_path: Path) -> None:
    path = tmp_path / "lives.jsonl"
    log = Log(path, 7)
    log.add(32, [], 0.5)
    log.add(16, ["seed 40, world 40: an example was learned twice"], 0.25)
    again = Log(path, 7)
    assert (again.lives, again.violations, again.minutes) == (48, 1, 0.75)
    with pytest.raises(ValueError, match="lives from seed 7, not 8"):
        Log(path, 8)
