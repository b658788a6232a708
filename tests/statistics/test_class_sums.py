"""Sums are exact: what is added and subtracted leaves no trace, and shards hold what one would."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.statistics.class_sums import FULL, HIGHEST, NARROW, ClassSums, bits_of, directions_within

DIRECTIONS, CLASSES = 12, 5


def examples(count: int, seed: int) -> tuple[Tensor, Tensor]:
    chosen = torch.Generator().manual_seed(seed)
    numbers = torch.randint(-HIGHEST, HIGHEST + 1, (count, DIRECTIONS), generator=chosen, dtype=torch.int8)
    return numbers, torch.randint(CLASSES, (count,), generator=chosen)


def sums_of(*batches: tuple[Tensor, Tensor]) -> ClassSums:
    made = ClassSums(DIRECTIONS)
    made.grow(CLASSES)
    for numbers, labels in batches:
        made.add(numbers, labels)
    return made


def equal(one: ClassSums, other: ClassSums) -> bool:
    return all(torch.equal(one.state_dict()[name], held) for name, held in other.state_dict().items())


def test_the_sums_are_those_of_the_examples() -> None:
    numbers, labels = examples(200, seed=0)
    found, whole = sums_of((numbers, labels)), numbers.long()
    assert torch.equal(found.square().long(), whole.T @ whole)
    for label in range(CLASSES):
        assert int(found.counts[label]) == int((labels == label).sum())
        assert torch.equal(found.sums[label].long(), whole[labels == label].sum(0))


def test_five_shards_merged_in_any_order_equal_one_that_saw_all() -> None:
    shards = [examples(40 + 7 * shard, seed=shard) for shard in range(5)]
    for order in ([0, 1, 2, 3, 4], [3, 0, 4, 2, 1]):
        merged = ClassSums(DIRECTIONS)
        for shard in order:
            merged.merge(sums_of(shards[shard]))
        assert equal(merged, sums_of(*shards))


def test_two_hundred_examples_subtracted_equal_never_seen() -> None:
    kept, gone = examples(300, seed=1), examples(200, seed=2)
    found = sums_of(kept, gone)
    for part in range(0, 200, 7):  # in other batches than they came
        found.subtract(gone[0][part : part + 7], gone[1][part : part + 7])
    assert equal(found, sums_of(kept))


def test_directions_given_up_leave_what_fewer_would_hold() -> None:
    numbers, labels = examples(100, seed=3)
    found, fewer = sums_of((numbers, labels)), ClassSums(7)
    fewer.grow(CLASSES)
    fewer.add(numbers[:, :7], labels)
    found.keep(7)
    assert equal(found, fewer)


def test_sums_of_other_directions_are_refused() -> None:
    with pytest.raises(ValueError, match="sums along 7 directions: expected 12"):
        ClassSums(DIRECTIONS).merge(ClassSums(7))


def test_what_would_not_fit_32_bits_is_halved_before() -> None:
    found = sums_of(examples(50, seed=4))
    found.scatter.fill_(FULL)
    found.counts.fill_(2_000_001)
    found.add(*examples(10, seed=5))
    assert int(found.scatter.abs().max()) <= FULL // 2 + 10 * HIGHEST**2
    assert int(found.counts.sum()) == pytest.approx(CLASSES * 1_000_000, abs=10)


@pytest.mark.parametrize("classes", [1, 10, 300])
@pytest.mark.parametrize("budget_bits", [0, 40, 6_000, 62_720, 524_288])
def test_as_many_directions_as_fit_the_budget_and_no_more(budget_bits: int, classes: int) -> None:
    found = directions_within(budget_bits, classes=classes, most=256)
    assert found == 0 or bits_of(found, classes) <= budget_bits
    assert found == 256 or bits_of(found + 1, classes) > budget_bits


@pytest.mark.parametrize("classes", [1, 10, 300])
@pytest.mark.parametrize("wide", [False, True])
def test_the_bits_counted_are_those_held(wide: bool, classes: int) -> None:
    made = ClassSums(7)
    made.grow(classes)
    if wide:
        numbers = torch.full((2_000, 7), HIGHEST, dtype=torch.int8)
        made.add(numbers, torch.zeros(2_000, dtype=torch.int64))
    assert made.wide == wide
    held = sum(tensor.nbytes * 8 for tensor in made.state_dict().values())
    assert made.stored_bits == held == bits_of(7, classes, wide=wide)


def test_sums_that_need_more_bits_get_them_and_give_them_back() -> None:
    most = 2 ** (NARROW - 1) // HIGHEST  # examples whose sum just fits
    numbers, labels = torch.full((most, 3), -HIGHEST, dtype=torch.int8), torch.zeros(most, dtype=torch.int64)
    found = ClassSums(3)
    found.grow(2)
    found.add(numbers, labels)
    assert not found.wide
    assert found.widens(found.with_examples(numbers[:1], labels[:1]))
    assert not found.widens(found.with_examples(numbers[:1], labels[:1] + 1))
    found.add(numbers[:1], labels[:1])
    assert found.wide
    assert found.sums[0].tolist() == [-HIGHEST * (most + 1)] * 3
    found.subtract(numbers[:1], labels[:1])
    once = ClassSums(3)
    once.grow(2)
    once.add(numbers, labels)
    assert equal(found, once)


def test_shards_whose_sums_fit_few_bits_merge_to_one_whose_sums_do_not() -> None:
    numbers, labels = torch.full((800, 3), HIGHEST, dtype=torch.int8), torch.zeros(800, dtype=torch.int64)
    merged, whole = ClassSums(3), ClassSums(3)
    whole.grow(1)
    for _ in range(2):
        shard = ClassSums(3)
        shard.grow(1)
        shard.add(numbers, labels)
        whole.add(numbers, labels)
        merged.merge(shard)
    assert merged.wide
    assert equal(merged, whole)
