"""A class is taken out of sums: its own exactly, and of what classes share its part."""

from __future__ import annotations

import torch

from streamlearner.statistics.class_sums import HIGHEST, ClassSums
from streamlearner.statistics.discriminant import discriminant

DIRECTIONS = 6


def drawn(count: int, label: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    centre = torch.randint(-15, 16, (DIRECTIONS,), generator=draw)
    spread = torch.randint(-8, 9, (count, DIRECTIONS), generator=draw)
    return (centre + spread).clamp(-HIGHEST, HIGHEST).to(torch.int8), torch.full((count,), label)


def sums_of(*parts: tuple[torch.Tensor, torch.Tensor]) -> ClassSums:
    sums = ClassSums(DIRECTIONS)
    sums.grow(3)
    for numbers, labels in parts:
        sums.add(numbers, labels)
    return sums


def test_counts_and_sums_are_as_if_the_class_had_never_been() -> None:
    one, two, three = (drawn(400, label, seed=label) for label in range(3))
    found, never = sums_of(one, two, three), sums_of(one, three)
    found.erase(1)
    assert torch.equal(found.counts, never.counts)
    assert torch.equal(found.sums, never.sums)


def test_the_covariance_within_the_other_classes_stays_so_that_they_are_answered_as_without_it() -> None:
    one, two, three = (drawn(400, label, seed=label) for label in range(3))
    found, never = sums_of(one, two, three), sums_of(one, three)
    found.erase(1)
    inputs = torch.cat([one[0], three[0]])
    answers = [
        discriminant(sums.counts, sums.sums, sums.square()).scores(inputs).argmax(1)
        for sums in (found, never)
    ]
    assert not bool((answers[0] == 1).any())
    assert (answers[0] == answers[1]).float().mean() > 0.98


def test_a_class_of_which_nothing_was_seen_takes_nothing_along() -> None:
    one = drawn(50, 0, seed=0)
    found, same = sums_of(one), sums_of(one)
    found.erase(2)
    assert torch.equal(found.scatter, same.scatter)


def test_the_last_class_takes_all_along() -> None:
    found = sums_of(drawn(50, 0, seed=0))
    found.erase(0)
    assert int(found.counts.sum()) == 0
    assert int(found.scatter.abs().max()) <= 1, "rounding"


def test_halvings_are_counted_and_survive_a_restart() -> None:
    found, restarted = sums_of(drawn(50, 0, seed=0)), ClassSums(DIRECTIONS)
    assert "halvings" not in found.state_dict()
    found.halve()
    restarted.load_state_dict(found.state_dict())
    assert restarted.halvings == 1
