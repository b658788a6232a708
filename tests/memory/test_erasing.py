"""Records are erased by id, task and class, and what is left is as if the stream had been without them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from streamlearner.decoding.erasures import digest_of
from streamlearner.memory.balanced import BalancedRecollectionMemory
from streamlearner.memory.packing import CodeError
from streamlearner.memory.reservoir import RecollectionMemory
from tests.support.memories import FAIR, SIZE, chance, codes, memory_for, numbers_of, p_fair

Kind = type[RecollectionMemory]
KINDS = (RecollectionMemory, BalancedRecollectionMemory)
RECORD_BITS = SIZE + 1 + 16


def digests(numbers: Tensor) -> Tensor:
    return torch.tensor([digest_of(f"e-{number}") for number in numbers.tolist()])


def show(memory: RecollectionMemory, first: int, stop: int) -> None:
    """Classes alternate; each example is called by its number."""
    for numbers in torch.arange(first, stop).split(7):
        memory.insert(codes(numbers), numbers % 2, None, digests(numbers))


def a_memory(records: int, kind: Kind = RecollectionMemory, seed: int = 0) -> RecollectionMemory:
    return kind(budget_bits=records * RECORD_BITS // 8 * 8 + 8, radices=(2,) * SIZE, generator=chance(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_an_erased_example_is_held_no_more_and_all_others_are(kind: Kind) -> None:
    memory = a_memory(40, kind)
    show(memory, 0, 100)
    before = numbers_of(memory.contents())
    assert memory.erase(id=digest_of(f"e-{before[3]}")) == 1
    assert sorted(numbers_of(memory.contents())) == sorted(set(before) - {before[3]})
    assert memory.erase(id=digest_of(f"e-{before[3]}")) == 0
    assert memory.erase(id=digest_of("another")) == 0
    assert sum(memory.counts().values()) == len(memory) == len(before) - 1


def test_no_record_of_an_erased_id_is_missed_however_few_bits_tell_it() -> None:
    memory = memory_for(200)
    memory.id_bits = 3
    show(memory, 0, 60)
    for number in range(2):
        memory.erase(id=digest_of(f"e-{number}"))
    held = numbers_of(memory.contents())
    assert not set(held) & {0, 1}
    assert 0 < len(held) < 58, "some had the same three bits"


def test_ids_cost_their_bits_only_where_there_are_any() -> None:
    memory = memory_for(50)
    memory.insert(codes(torch.arange(10)), torch.zeros(10, dtype=torch.int64))
    assert memory.record_bits == SIZE + 1
    show(memory, 10, 20)
    assert memory.record_bits == RECORD_BITS
    assert memory.stored_bits <= memory.budget_bits
    assert sorted(numbers_of(memory.contents())) == list(range(20))
    assert memory.without_id == 10
    assert memory.erase(id=digest_of("e-3")) == 0, "it came without an id"
    assert memory.erase(id=digest_of("e-13")) == 1


def test_a_memory_told_to_keep_no_ids_keeps_none() -> None:
    memory = memory_for(50)
    memory.id_bits = 0
    show(memory, 0, 20)
    assert memory.record_bits == SIZE + 1
    assert (memory.without_id, memory.erase(id=digest_of("e-3"))) == (20, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_after_erasures_the_others_are_still_equally_likely_to_be_held(kind: Kind) -> None:
    def run(seed: int) -> RecollectionMemory:
        memory = a_memory(20, kind, seed)
        show(memory, 0, 44)
        for number in range(4):
            memory.erase(id=digest_of(f"e-{number}"))
        show(memory, 44, 64)
        assert len(memory) >= 16
        return of_others(memory)

    assert p_fair(run, 60, runs=300) > FAIR


def of_others(memory: RecollectionMemory) -> RecollectionMemory:
    """A memory of the same records, numbered from 0 where the erased ones left off."""
    numbers = torch.tensor(numbers_of(memory.contents())) - 4
    twin = memory_for(100)
    twin.insert(codes(numbers), torch.zeros_like(numbers))
    return twin


def test_a_task_is_erased_with_all_its_records() -> None:
    memory = memory_for(60, task_bits=2)
    numbers = torch.arange(60)
    memory.insert(codes(numbers), numbers % 2, numbers % 3 - 1)
    assert memory.erase(task=1) == 20
    assert set(memory.contents().tasks.tolist()) == {-1, 0}
    assert memory.seen == 40


@pytest.mark.parametrize("kind", KINDS)
def test_ids_survive_a_restart_other_codes_and_more_classes(kind: Kind) -> None:
    memory, restarted = a_memory(40, kind), a_memory(40, kind)
    show(memory, 0, 100)
    restarted.load_state_dict(copy.deepcopy(memory.state_dict()))
    restarted.insert(codes(torch.tensor([200])), torch.tensor([9]), None, digests(torch.tensor([200])))
    restarted.recode((2,) * SIZE, lambda symbols: 1 - symbols)
    held = [2**SIZE - 1 - number for number in numbers_of(restarted.contents())]
    for number in held:
        assert restarted.erase(id=digest_of(f"e-{number}")) == 1
    assert len(restarted) == 0


def test_merged_memories_keep_their_ids() -> None:
    one, other = a_memory(60), memory_for(60)
    show(one, 0, 20)
    other.insert(codes(torch.arange(20, 40)), torch.zeros(20, dtype=torch.int64))
    one.merge(other)
    assert sorted(numbers_of(one.contents())) == list(range(40))
    assert one.erase(id=digest_of("e-7")) == 1
    narrower = memory_for(60)
    narrower.id_bits = 8
    show(narrower, 50, 60)
    with pytest.raises(CodeError, match="ids of 8 and 16 bits"):
        one.merge(narrower)
