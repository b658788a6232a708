"""Samples of the memory: fair, balanced where asked, drawn from the given generator only."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import torch

from tests.support.memories import (
    FAIR,
    SIZE,
    chance,
    codes,
    memory_for,
    numbers_of,
    p_of_uniform,
    show,
)


def test_a_sample_that_fits_has_no_record_twice_and_each_is_equally_likely() -> None:
    memory = memory_for(40)
    show(memory, 0, 40)
    for size in (3, 6, 20, 40):  # by rejection below the square root, by permutation above
        counts = np.zeros((40, 2))
        for _ in range(1_500):
            found = numbers_of(memory.sample(size))
            assert len(found) == len(set(found)) == size
            counts[found, 0] += 1
            counts[found[0], 1] += 1  # a prefix of a sample is a sample, too
        assert p_of_uniform(counts[:, 0], 1_500 * size / 40) > FAIR
        assert p_of_uniform(counts[:, 1], 1_500 / 40) > FAIR


def test_a_sample_larger_than_the_memory_repeats_records() -> None:
    memory = memory_for(40)
    show(memory, 0, 5)
    counts = Counter(numbers_of(memory.sample(5_000)))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert p_of_uniform(np.asarray(list(counts.values())), 1_000) > FAIR


def test_an_empty_memory_gives_no_rows() -> None:
    memory = memory_for(40)
    for held in (memory.sample(10), memory.sample_balanced(10), memory.contents()):
        assert held.symbols.shape == (0, SIZE)
        assert (len(held), len(held.labels), len(held.tasks)) == (0, 0, 0)
    assert memory.counts() == {}


def test_a_balanced_sample_can_be_of_the_first_classes_alone() -> None:
    memory = memory_for(60, label_bits=3)
    memory.insert(codes(torch.arange(60)), torch.tensor([0] * 10 + [2] * 20 + [5] * 30))
    counts = Counter(memory.sample_balanced(6_000, below=5).labels.tolist())
    assert sorted(counts) == [0, 2]
    assert p_of_uniform(np.asarray(list(counts.values())), 3_000) > FAIR
    assert len(memory.sample_balanced(10, below=0)) == 0
    assert set(memory.sample_balanced(200, below=99).labels.tolist()) == {0, 2, 5}


def test_a_balanced_sample_gives_each_class_and_each_record_in_it_the_same_chance() -> None:
    memory = memory_for(60, label_bits=2)
    memory.insert(codes(torch.arange(60)), torch.tensor([0] * 40 + [1] * 15 + [3] * 5))
    assert memory.index_bytes == 0
    held = memory.sample_balanced(9_000)
    assert memory.index_bytes == 240
    assert p_of_uniform(torch.bincount(held.labels)[[0, 1, 3]].numpy(), 3_000) > FAIR
    counts = np.bincount(numbers_of(held), minlength=60)
    for group in (counts[:40], counts[40:55], counts[55:]):
        assert p_of_uniform(group, group.sum() / len(group)) > FAIR


def test_the_class_index_follows_every_insertion() -> None:
    followed, rebuilt = memory_for(50, 5, label_bits=4), memory_for(50, 5, label_bits=4)
    followed.sample_balanced(1, chance(0))
    for numbers in torch.arange(600).split(30):
        for memory in (followed, rebuilt):
            memory.insert(codes(numbers), (numbers * numbers) % 11)
        fresh = copy.deepcopy(rebuilt)  # has never had an index: builds it from what is stored
        assert followed.counts() == fresh.counts()
        assert numbers_of(followed.sample_balanced(40, chance(7))) == numbers_of(
            fresh.sample_balanced(40, chance(7))
        )


def test_sampling_with_a_generator_of_ones_own_leaves_the_memory_s_alone() -> None:
    memory = memory_for(40)
    show(memory, 0, 100)
    before = memory.state_dict()["generator"]
    memory.sample(5, chance(1))
    memory.sample(30, chance(1))
    memory.sample_balanced(5, chance(1))
    assert torch.equal(memory.state_dict()["generator"], before)
    memory.sample(5)
    assert not torch.equal(memory.state_dict()["generator"], before)


def test_nothing_is_drawn_from_the_global_generator() -> None:
    before = torch.random.get_rng_state()
    memory = memory_for(10)
    show(memory, 0, 60, label=lambda numbers: numbers)
    memory.sample(4)
    memory.sample_balanced(4)
    assert torch.equal(torch.random.get_rng_state(), before)
