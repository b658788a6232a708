"""Merged memories are the sample that one learner would have kept, whatever each shard saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats

from streamlearner.memory.balanced import BalancedRecollectionMemory
from streamlearner.memory.reservoir import RecollectionMemory
from tests.support.memories import FAIR, SIZE, chance, codes, numbers_of

RUNS, LABEL_BITS = 500, 3
ROOM = 24
SHARDS = [(90, 12), (7, 60, 33), (40, 5, 80, 21), (64, 3, 30, 18, 50)]
"""Examples that each shard sees."""
Kind = type[RecollectionMemory]
KINDS = [RecollectionMemory, BalancedRecollectionMemory]


def memory_of(kind: Kind, seed: int, room: int = ROOM) -> RecollectionMemory:
    return kind(budget_bits=room * (SIZE + LABEL_BITS), radices=(2,) * SIZE, generator=chance(seed))


def skewed_labels(sizes: Sequence[int]) -> np.ndarray:
    """Each shard sees mostly a class of its own, and some of class 0."""
    rng = np.random.default_rng(3)
    own = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    return np.where(rng.random(len(own)) < 0.3, 0, own)


def shards_of(kind: Kind, sizes: Sequence[int], labels: np.ndarray, seed: int) -> list[RecollectionMemory]:
    found = []
    for nth, (first, stop) in enumerate(pairwise(np.cumsum([0, *sizes]).tolist())):
        memory = memory_of(kind, 10_000 * (nth + 1) + seed)
        for numbers in torch.arange(first, stop).split(7):
            memory.insert(codes(numbers), torch.from_numpy(labels)[numbers])
        found.append(memory)
    return found


def one_learner(kind: Kind, sizes: Sequence[int]) -> RecollectionMemory:
    return shards_of(kind, [sum(sizes)], skewed_labels(sizes), 0)[0]


def at_once(shards: list[RecollectionMemory], seed: int) -> RecollectionMemory:
    merged = memory_of(type(shards[0]), seed)
    merged.merge(*shards)
    return merged


def one_by_one_backwards(shards: list[RecollectionMemory], seed: int) -> RecollectionMemory:
    merged = memory_of(type(shards[0]), seed)
    for shard in reversed(shards):
        merged.merge(shard)
    return merged


def as_a_tree(shards: list[RecollectionMemory], seed: int) -> RecollectionMemory:
    while len(shards) > 1:
        for one, other in zip(shards[::2], shards[1::2], strict=False):
            one.merge(other)
        shards = shards[::2]
    return shards[0]


@cache
def held_in_runs(
    kind: Kind, sizes: tuple[int, ...], way: Callable[[list[RecollectionMemory], int], RecollectionMemory]
) -> np.ndarray:
    """Which of all examples were held, [runs, examples] bool."""
    labels = skewed_labels(sizes)
    held = np.zeros((RUNS, len(labels)), bool)
    for seed in range(RUNS):
        merged = way(shards_of(kind, sizes, labels, seed), seed)
        numbers = numbers_of(merged.contents())
        assert len(set(numbers)) == len(numbers)
        assert merged.contents().labels.tolist() == labels[numbers].tolist()
        assert merged.seen == len(labels) and merged.stored_bits <= merged.budget_bits
        held[seed, numbers] = True
    return held


def p_equally_likely(held: np.ndarray) -> float:
    """Chi-square test that all examples are as likely to be held; draws in a run exclude each other."""
    total, examples = held.sum(), held.shape[1]
    if total == held.size:
        return 1.0
    expected = total / examples
    spread = expected * (1 - expected / len(held)) * examples / (examples - 1)
    return float(stats.chi2.sf(((held.sum(0) - expected) ** 2).sum() / spread, examples - 1))


def p_hypergeometric(counts: np.ndarray, *, seen: int, of: int, drawn: int) -> float:
    """Chi-square test that `counts` [runs] are hypergeometric: as many of `drawn` of all `of` examples as
    fall to `seen` of them."""
    law = stats.hypergeom(of, seen, drawn)
    edges = [int(law.ppf(level)) for level in (0.1, 0.3, 0.5, 0.7, 0.9)]
    parts = np.diff([0.0, *(law.cdf(edge) for edge in edges), 1.0])
    found = np.bincount(np.searchsorted(edges, counts), minlength=len(parts))
    expected = parts * len(counts)
    told = expected > 1
    return float(stats.chi2.sf(((found - expected)[told] ** 2 / expected[told]).sum(), told.sum() - 1))


@pytest.mark.parametrize("sizes", SHARDS, ids=len)
def test_of_all_that_shards_saw_each_example_is_as_likely_to_be_held(sizes: tuple[int, ...]) -> None:
    held = held_in_runs(RecollectionMemory, sizes, at_once)
    assert set(held.sum(1)) == {len(one_learner(RecollectionMemory, sizes))}
    assert p_equally_likely(held) > FAIR


@pytest.mark.parametrize("way", [one_by_one_backwards, as_a_tree])
@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_merging_does_not_matter(
    kind: Kind, way: Callable[[list[RecollectionMemory], int], RecollectionMemory]
) -> None:
    sizes = SHARDS[-1]
    held, labels = held_in_runs(kind, sizes, way), skewed_labels(sizes)
    groups = [labels >= 0] if kind is RecollectionMemory else [labels == label for label in set(labels)]
    for group in groups:
        assert p_equally_likely(held[:, group]) > FAIR


@pytest.mark.parametrize("sizes", SHARDS, ids=len)
def test_how_many_come_from_a_shard_varies_as_it_would_for_one_learner(sizes: tuple[int, ...]) -> None:
    held, starts = held_in_runs(RecollectionMemory, sizes, at_once), np.cumsum([0, *sizes])
    for nth, seen in enumerate(sizes):
        counts = held[:, starts[nth] : starts[nth + 1]].sum(1)
        assert p_hypergeometric(counts, seen=seen, of=sum(sizes), drawn=held[0].sum()) > FAIR


@pytest.mark.parametrize("sizes", SHARDS, ids=len)
def test_merged_classes_are_as_equal_as_one_learner_keeps_them(sizes: tuple[int, ...]) -> None:
    labels = skewed_labels(sizes)
    held = held_in_runs(BalancedRecollectionMemory, sizes, at_once)
    alone = one_learner(BalancedRecollectionMemory, sizes)
    for label, wanted in alone.counts().items():
        of_class = held[:, labels == label]
        assert set(np.abs(of_class.sum(1) - wanted)) <= {0, 1}
        assert p_equally_likely(of_class) > FAIR
    assert held.sum(1).min() >= len(alone) - len(alone.counts())


@pytest.mark.parametrize("sizes", SHARDS[:2], ids=len)
def test_of_a_class_that_several_saw_as_many_come_from_each_as_for_one_learner(
    sizes: tuple[int, ...],
) -> None:
    labels, starts = skewed_labels(sizes), np.cumsum([0, *sizes])
    held = held_in_runs(BalancedRecollectionMemory, sizes, at_once) & (labels == 0)
    own = np.arange(len(labels)) < starts[1]
    for drawn in set(held.sum(1)):
        runs = held[held.sum(1) == drawn]
        if len(runs) < 100:
            continue
        counts, seen = runs[:, own].sum(1), int((own & (labels == 0)).sum())
        assert p_hypergeometric(counts, seen=seen, of=int((labels == 0).sum()), drawn=drawn) > FAIR


def test_counts_in_fixed_proportions_would_be_found_out() -> None:
    assert p_hypergeometric(np.full(RUNS, 12), seen=50, of=100, drawn=24) < FAIR


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_memory_that_goes_on_learning_stays_fair(kind: Kind) -> None:
    sizes, more = (40, 20), 30
    held = np.zeros((RUNS, sum(sizes) + more), bool)
    for seed in range(RUNS):
        merged = at_once(shards_of(kind, sizes, np.zeros(sum(sizes), np.int64), seed), seed)
        for numbers in torch.arange(sum(sizes), sum(sizes) + more).split(7):
            merged.insert(codes(numbers), torch.zeros_like(numbers))
        held[seed, numbers_of(merged.contents())] = True
    assert p_equally_likely(held) > FAIR


def test_the_same_seed_merges_the_same() -> None:
    sizes = SHARDS[1]
    for kind in KINDS:
        runs = [at_once(shards_of(kind, sizes, skewed_labels(sizes), 5), 9) for _ in range(2)]
        assert torch.equal(runs[0].contents().symbols, runs[1].contents().symbols)


@pytest.mark.parametrize("kind", KINDS)
def test_a_memory_that_lost_nothing_gives_all_where_there_is_room(kind: Kind) -> None:
    merged = at_once(shards_of(kind, (9, 0, 8), np.arange(17) % 5, 0), 0)
    assert sorted(numbers_of(merged.contents())) == list(range(17))


@pytest.mark.parametrize("kind", KINDS)
def test_classes_take_the_indices_that_they_have_in_the_whole(kind: Kind) -> None:
    memory = memory_of(kind, 0)
    memory.insert(
        codes(torch.arange(6)), torch.tensor([0, 1, 0, 1, 2, 0]), torch.tensor([-1, 0, 1, 0, -1, 1])
    )
    memory.relabel({0: 5, 1: 0, 2: 40}, {0: 3, 1: 0})
    held = memory.contents()
    found = zip(numbers_of(held), held.labels.tolist(), held.tasks.tolist(), strict=True)
    by_number = {number: (label, task) for number, label, task in found}
    assert by_number == {0: (5, -1), 1: (0, 3), 2: (5, 0), 3: (0, 3), 4: (40, -1), 5: (5, 0)}
    assert memory.counts() == {0: 2, 5: 3, 40: 1} and memory.seen == 6
    assert memory.stored_bits <= memory.budget_bits
