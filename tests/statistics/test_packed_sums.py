"""Packed sums are exact, and take no more bits than they need or may."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from streamlearner.statistics.class_sums import ClassSums
from streamlearner.statistics.packed_integers import WIDEST, pack, packed_bits, unpack, width_of
from streamlearner.statistics.packed_sums import PackedSums

CLASSES, DIRECTIONS, LARGE = 5, 30, 10**9


def examples(count: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=draw)
    numbers = torch.randint(-7, 8, (count, DIRECTIONS), generator=draw) + labels[:, None] % 2
    return numbers.clamp(-7, 7).to(torch.int8), labels


def packed(*parts: tuple[Tensor, Tensor], budget_bits: int = LARGE) -> PackedSums:
    sums = PackedSums(DIRECTIONS, budget_bits=budget_bits)
    sums.grow(CLASSES)
    for numbers, labels in parts:
        sums.add(numbers, labels)
    return sums


def held(sums: PackedSums) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in sums.state_dict().items()}


def test_every_width_gives_back_what_it_was_given() -> None:
    draw = np.random.default_rng(0)
    for width, count in itertools.product(range(1, WIDEST + 1), (0, 1, 5, 999)):
        numbers = draw.integers(-(2 ** (width - 1)), 2 ** (width - 1), count)
        bytes_ = pack(numbers, width)
        assert np.array_equal(unpack(bytes_, width, count=count), numbers), (width, count)
        assert 8 * len(bytes_) == packed_bits(count, width)


@pytest.mark.parametrize(("number", "width"), [(0, 1), (-1, 1), (1, 2), (-2, 2), (127, 8), (-129, 9)])
def test_the_width_is_the_least_that_fits(number: int, width: int) -> None:
    assert width_of(np.array([number])) == width


def test_a_number_of_more_than_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit 32 bits"):
        width_of(np.array([2**31]))


def test_they_hold_what_plain_sums_hold_in_fewer_bits() -> None:
    plain, ours = ClassSums(DIRECTIONS), packed(examples(500), examples(300, seed=1))
    plain.grow(CLASSES)
    for part in (examples(500), examples(300, seed=1)):
        plain.add(*part)
    assert torch.equal(ours.counts, plain.counts)
    assert torch.equal(ours.sums, plain.sums.long())
    assert torch.equal(ours.square(), plain.square().long())
    assert ours.stored_bits < 0.7 * plain.stored_bits


def test_what_is_subtracted_leaves_no_trace() -> None:
    ours = packed(examples(400), examples(200, seed=1))
    ours.subtract(*examples(200, seed=1))
    assert held(ours) == held(packed(examples(400)))


def test_shards_that_are_merged_hold_what_one_would() -> None:
    parts = [examples(100 + 10 * seed, seed=seed) for seed in range(5)]
    merged = packed(parts[0])
    for part in parts[1:]:
        merged.merge(packed(part))
    assert held(merged) == held(packed(*parts))


@pytest.mark.parametrize("budget_bits", [2_000, 5_000, 7_500])
def test_the_budget_is_never_exceeded_and_the_last_directions_go_first(budget_bits: int) -> None:
    whole, ours = packed(examples(20)), packed(examples(20), budget_bits=budget_bits)
    counts = [ours.directions]
    for seed in range(1, 30):
        whole.add(*examples(100, seed=seed))
        ours.add(*examples(100, seed=seed))
        assert ours.stored_bits <= budget_bits
        counts.append(ours.directions)
    assert counts == sorted(counts, reverse=True) and 0 < counts[-1] < DIRECTIONS
    assert torch.equal(ours.sums, whole.sums[:, : ours.directions])
    assert torch.equal(ours.square(), whole.square()[: ours.directions, : ours.directions])


def test_the_budget_is_used() -> None:
    ours = packed(examples(3_000), budget_bits=7_500)
    assert ours.stored_bits > 0.9 * 7_500


def test_a_class_that_is_erased_leaves_what_plain_sums_would_keep() -> None:
    plain, ours = ClassSums(DIRECTIONS), packed(examples(500))
    plain.grow(CLASSES)
    plain.add(*examples(500))
    for sums in (plain, ours):
        sums.erase(2)
    assert torch.equal(ours.counts, plain.counts) and int(ours.counts[2]) == 0
    assert torch.equal(ours.sums, plain.sums.long())
    assert torch.equal(ours.square(), plain.square().long())


def test_halvings_are_known_after_a_restart() -> None:
    ours, again = packed(examples(300)), packed()
    ours.halve()
    again.load_state_dict(ours.state_dict())
    assert (packed().halvings, ours.halvings, again.halvings) == (0, 1, 1)
    assert torch.equal(again.counts, ours.counts)


def test_a_budget_for_nothing_holds_nothing() -> None:
    assert packed(examples(20), budget_bits=10).directions == 0


def test_a_restored_one_goes_on_as_the_one_that_was_saved() -> None:
    ours = packed(examples(300), budget_bits=6_000)
    again = PackedSums(DIRECTIONS, budget_bits=6_000)
    again.load_state_dict(ours.state_dict())
    for sums in (ours, again):
        sums.add(*examples(50, seed=3))
    assert held(again) == held(ours)


def test_the_bits_reported_are_those_held() -> None:
    ours = packed(examples(300))
    assert ours.stored_bits == 8 * sum(tensor.numel() * tensor.element_size() for tensor in ours.buffers())
