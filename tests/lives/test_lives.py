"""A short run of simulated lives; `make lives` has long ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import torch

from tests.lives.faults import Fault
from tests.lives.mutants import lives_until_caught
from tests.lives.simulation import live, violation

LIVES = 40


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
    for seed in range(LIVES):
        assert (found := violation(seed)) is None, f"python -m tests.lives --first {seed} --lives 1: {found}"


@pytest.mark.parametrize(
    ("world", "plan"),
    [
        (23, Fault("cut", "disk", 113, chance=75826944)),  # took the new folder of the checkpoints
        (0, Fault("broken", "disk", 644, 2)),  # a file whose size could not be read ended the daemon
    ],
)  # fmt: skip
def test_what_broke_a_promise_once_does_so_no_more(world: int, plan: Fault) -> None:
    assert live(world, (plan,), seed=0)[0] is None


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
