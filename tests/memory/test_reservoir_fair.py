"""The memory is a fair sample of what it was shown, whatever happened to it meanwhile."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.memory.reservoir import RecollectionMemory
from tests.support.memories import (
    FAIR,
    SIZE,
    chance,
    memory_for,
    p_fair,
    show,
)


def test_every_example_is_equally_likely_to_be_held() -> None:
    def run(seed: int) -> RecollectionMemory:
        memory = memory_for(8, seed)
        show(memory, 0, 48)
        assert (len(memory), memory.seen) == (8, 48)
        return memory

    assert p_fair(run, 48) > FAIR


def test_the_chi_square_test_finds_a_reservoir_that_is_off_by_one() -> None:
    class OffByOne(RecollectionMemory):
        def _place(self, label: int, draw: float, seen: int) -> int:
            return super()._place(label, draw, seen if len(self) < self.capacity else max(seen - 8, 8))

    def run(seed: int) -> RecollectionMemory:
        memory = OffByOne(budget_bits=136, radices=(2,) * SIZE, generator=chance(seed))
        show(memory, 0, 48)
        return memory

    assert p_fair(run, 48) < FAIR


def test_it_stays_fair_across_a_restart_in_mid_stream() -> None:
    def run(seed: int) -> RecollectionMemory:
        before, after = memory_for(8, seed), memory_for(8, seed + 10**6)
        show(before, 0, 20)
        after.load_state_dict(before.state_dict())
        show(after, 20, 48)
        return after

    assert p_fair(run, 48) > FAIR


def test_it_stays_fair_when_the_label_field_widens() -> None:
    def run(seed: int) -> RecollectionMemory:
        memory = memory_for(10, seed)
        show(memory, 0, 48, label=lambda numbers: numbers)  # 1 to 6 bits
        assert (len(memory), memory.capacity, memory.seen) == (8, 8, 48)  # there was room for 10
        return memory

    assert p_fair(run, 48) > FAIR


def test_it_stays_fair_when_codes_grow_and_when_they_shrink_again() -> None:
    def grown(symbols: Tensor) -> Tensor:
        return torch.cat((symbols, symbols), 1)

    def run(seed: int) -> RecollectionMemory:
        memory = memory_for(12, seed)
        show(memory, 0, 20)
        memory.recode((2,) * (2 * SIZE), grown)
        assert len(memory) == memory.capacity == 6
        memory.recode((2,) * SIZE, lambda symbols: symbols[:, :SIZE])
        assert (len(memory), memory.capacity) == (6, 12)
        show(memory, 20, 48)  # six of twenty are held: new ones come in at that rate until it is full again
        return memory

    assert p_fair(run, 48) > FAIR


@pytest.mark.parametrize(("room", "first", "second"), [(8, 30, 18), (8, 5, 43), (20, 9, 30), (8, 0, 40)])
def test_a_merged_memory_is_a_fair_sample_of_both_streams(room: int, first: int, second: int) -> None:
    def run(seed: int) -> RecollectionMemory:
        one, other = memory_for(room, seed), memory_for(8, seed + 10**6)
        show(one, 0, first)
        show(other, first, first + second)
        one.merge(other)
        assert one.seen == first + second and one.stored_bits <= one.budget_bits
        show(one, first + second, first + second + 6)
        return one

    assert p_fair(run, first + second + 6) > FAIR


def test_a_restart_with_a_smaller_budget_evicts_and_with_a_larger_one_fills_up_fairly() -> None:
    def run(seed: int) -> RecollectionMemory:
        first, smaller, larger = memory_for(12, seed), memory_for(6), memory_for(15)
        show(first, 0, 16)
        smaller.load_state_dict(first.state_dict())
        assert len(smaller) == 6 and smaller.stored_bits <= smaller.budget_bits
        show(smaller, 16, 24)
        larger.load_state_dict(smaller.state_dict())
        show(larger, 24, 48)
        return larger

    assert p_fair(run, 48) > FAIR
