"""The balanced memory holds rare classes whole and frequent ones fairly."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from streamlearner.memory.balanced import BalancedRecollectionMemory
from streamlearner.memory.packing import CodeError
from streamlearner.memory.reservoir import RecollectionMemory

SIZE = 12
FAIR = 1e-4


def memory_for(records: int, seed: int = 0, *, label_bits: int = 3) -> BalancedRecollectionMemory:
    return BalancedRecollectionMemory(
        budget_bits=-(-records * (SIZE + label_bits) // 8) * 8,
        radices=(2,) * SIZE,
        generator=torch.Generator().manual_seed(seed),
    )


def show(memory: BalancedRecollectionMemory, numbers: Tensor, labels: Tensor) -> None:
    for part, label in zip(numbers.split(7), labels.split(7), strict=True):
        memory.insert((part[:, None] >> torch.arange(SIZE)) & 1, label)


def numbers_of(memory: BalancedRecollectionMemory) -> list[int]:
    return (memory.contents().symbols << torch.arange(SIZE)).sum(1).tolist()


def p_of_uniform(counts: np.ndarray) -> float:
    expected = counts.mean()
    statistic = torch.tensor(((counts - expected) ** 2 / expected).sum())
    return float(torch.special.gammaincc(torch.tensor((len(counts) - 1) / 2), statistic.float() / 2))


def skewed(seed: int, sizes: list[int]) -> tuple[Tensor, Tensor]:
    """Examples of classes of these sizes, shuffled; the numbers follow the classes."""
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return order, labels[order]


def test_classes_are_as_equal_as_the_stream_allows() -> None:
    memory = memory_for(100)
    show(memory, *skewed(0, [3_000, 600, 40, 7, 20]))
    counts = memory.counts()
    assert sum(counts.values()) == len(memory) == memory.capacity == 100
    assert counts[3] == 7 and counts[4] == 20
    assert max(counts.values()) - min(counts[0], counts[1], counts[2]) <= 1
    assert sorted(memory.contents().labels.bincount().tolist()) == sorted(counts.values())


@pytest.mark.parametrize("order", ["shuffled", "class after class"])
def test_inside_each_class_every_example_is_equally_likely(order: str) -> None:
    sizes = [60, 24, 12, 3]
    counts = np.zeros(sum(sizes))
    for seed in range(500):
        memory = memory_for(20, seed)
        numbers, labels = skewed(seed, sizes)
        if order == "class after class":
            labels, by_class = labels.sort(stable=True)
            numbers = numbers[by_class]
        show(memory, numbers, labels)
        counts[numbers_of(memory)] += 1
    assert counts[96:].tolist() == [500.0] * 3
    for start, stop in ((0, 60), (60, 84), (84, 96)):
        assert p_of_uniform(counts[start:stop]) > FAIR


def test_more_classes_than_room_leaves_it_full_and_within_the_budget() -> None:
    memory = memory_for(10, label_bits=6)
    numbers = torch.arange(2_000)
    show(memory, numbers, numbers % 50)
    assert len(memory) == memory.capacity == 10
    assert max(memory.counts().values()) == 1
    assert memory.stored_bits <= memory.budget_bits


def test_widening_takes_from_the_largest_class() -> None:
    memory = memory_for(40, label_bits=2)
    show(memory, torch.arange(35), torch.zeros(35).long())
    show(memory, torch.arange(35, 40), torch.ones(5).long())
    show(memory, torch.arange(40, 42), torch.full((2,), 63))
    assert memory.record_bits == SIZE + 6
    assert len(memory) == memory.capacity == 31
    assert memory.counts() == {0: 24, 1: 5, 63: 2}


def test_a_restart_and_a_deep_copy_continue_bit_for_bit() -> None:
    original, restarted = memory_for(30, 1), memory_for(30, 2)
    numbers, labels = skewed(3, [300, 60, 20])
    show(original, numbers[:200], labels[:200])
    restarted.load_state_dict(original.state_dict())
    twin = copy.deepcopy(original)
    for memory in (original, restarted, twin):
        show(memory, numbers[200:], labels[200:])
    assert numbers_of(original) == numbers_of(restarted) == numbers_of(twin)
    assert all(
        torch.equal(restarted.state_dict()[name], tensor) for name, tensor in original.state_dict().items()
    )


def test_a_merged_balanced_memory_is_balanced_and_fair_inside_each_class() -> None:
    counts = np.zeros(180)
    for seed in range(300):
        one, other = memory_for(24, seed), memory_for(24, seed + 10**6)
        numbers, labels = skewed(seed, [80, 30, 4])
        more, more_labels = skewed(seed + 1, [40, 20, 6])
        show(one, numbers, labels)
        show(other, more + 114, more_labels)
        one.merge(other)
        assert len(one) <= one.capacity and one.seen == 180
        held = one.counts()
        assert held[2] >= 7 and abs(held[0] - held[1]) <= 2
        counts[numbers_of(one)] += 1
    for first, second in (((0, 80), (114, 154)), ((80, 110), (154, 174)), ((110, 114), (174, 180))):
        assert p_of_uniform(np.concatenate((counts[slice(*first)], counts[slice(*second)]))) > FAIR


def test_a_state_without_sound_class_counts_is_refused() -> None:
    memory = memory_for(10)
    state = memory.state_dict()
    state["seen_by_class"] = torch.zeros(3)
    with pytest.raises(RuntimeError, match=r"seen_by_class \[3\] torch.float32: expected int64"):
        memory.load_state_dict(state)


def test_a_plain_memory_does_not_merge_into_a_balanced_one() -> None:
    plain = RecollectionMemory(budget_bits=999, radices=(2,) * SIZE, generator=torch.Generator())
    with pytest.raises(CodeError, match="RecollectionMemory of 12 symbols into BalancedRecollectionMemory"):
        memory_for(10).merge(plain)
