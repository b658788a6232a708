"""Surprise is felt where known classes are answered wrongly of late, and at nothing else."""

from __future__ import annotations

import torch

from streamlearner.statistics.surprise import Surprise


def watched(rates: list[float], *, classes: int = 4, of_each: int = 500, seed: int = 0) -> int:
    """Changes felt in a stream of `classes`, one example at a time, answered rightly at these rates in
    turn."""
    chosen, surprise, counts = torch.Generator().manual_seed(seed), Surprise(), torch.zeros(classes).long()
    surprise.grow(classes)
    felt = 0
    for rate in rates:
        for _ in range(of_each):
            label = torch.randint(classes, (1,), generator=chosen)
            right = torch.rand(1, generator=chosen) < rate
            felt += surprise.watch(right, label, counts)
            counts[label] += 1
    return felt


def test_steady_answers_surprise_nobody_however_bad_they_are() -> None:
    for rate in (0.1, 0.35, 0.5, 0.8, 1.0):
        assert sum(watched([rate] * 4, seed=seed) for seed in range(5)) == 0, rate


def test_better_answers_surprise_nobody() -> None:
    assert watched([0.2, 0.6, 0.95]) == 0


def test_answers_that_turn_wrong_are_felt_within_thirty_examples() -> None:
    for seed in range(10):
        surprise, counts = Surprise(), torch.tensor([100])
        surprise.grow(1)
        for _ in range(100):
            surprise.watch(torch.tensor([True]), torch.tensor([0]), counts)
        felt = [surprise.watch(torch.tensor([False]), torch.tensor([0]), counts) for _ in range(30)]
        assert any(felt), seed


def test_a_new_class_that_is_not_known_yet_surprises_nobody() -> None:
    surprise = Surprise()
    surprise.grow(2)
    for seen in range(200):
        surprise.watch(torch.tensor([True]), torch.tensor([0]), torch.tensor([100 + seen, 0]))
    for seen in range(20):
        assert not surprise.watch(torch.tensor([False]), torch.tensor([1]), torch.tensor([300, seen]))
