"""What was seen counts half, and says the same: also where directions depend on each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from streamlearner.statistics.class_sums import ClassSums
from streamlearner.statistics.directions import Directions
from streamlearner.statistics.halving import Sums, halved
from streamlearner.statistics.statistics import Statistics


def examples(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Two classes in a plane, one above a wave: directions of two columns depend on each other."""
    chance = np.random.default_rng(seed)
    inputs = chance.uniform(0, 1, (count, 2)).astype(np.float32)
    above = inputs[:, 1] > 0.5 + 0.3 * np.sin(3 * np.pi * inputs[:, 0])
    return torch.from_numpy(inputs), torch.from_numpy(above.astype(np.int64))


def statistics() -> Statistics:
    directions = Directions(input_shape=(2,), most=148, seed=0)
    return Statistics(directions=directions, budget_bits=2**19, most=148)


def learn(found: Statistics, inputs: Tensor, labels: Tensor) -> None:
    found.directions.calibrate(inputs[:10])
    found.grow(2)
    found.learn(found.numbers(inputs), labels, None)


def accuracy(found: Statistics, inputs: Tensor, labels: Tensor) -> float:
    return float((found.scores(found.numbers(inputs)).argmax(1) == labels).float().mean())


def within(sums: Sums) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return sums.scatter - (sums.sums.T / np.maximum(sums.counts, 1)) @ sums.sums


def halved_number_by_number(sums: ClassSums) -> None:
    """As checkpoints of before have it."""
    for part in (sums.counts, sums.sums, sums.scatter):
        part.copy_(torch.div(part, 2, rounding_mode="trunc"))


@pytest.mark.parametrize("halve", [ClassSums.halve, halved_number_by_number])
@pytest.mark.parametrize("seed", range(3))
def test_meanings_that_changed_are_learned_and_stay_learned(
    seed: int, halve: Callable[[ClassSums], None]
) -> None:
    """Right 98 % of the time became 63, when as many new examples had come."""
    (inputs, labels), test = examples(2_000, seed=seed), examples(2_000, seed=seed + 50)
    found, anew = statistics(), statistics()
    learn(found, inputs, 1 - labels)
    anew.directions.calibrate(inputs[:10])
    for _ in range(6):
        halve(found.sums)
    behind = []
    for number in range(40):
        coming = examples(50, seed=100 * seed + number)
        learn(found, *coming)
        learn(anew, *coming)
        behind.append(accuracy(anew, *test) - accuracy(found, *test))
    assert max(behind[5:]) < 0.06
    assert abs(behind[-1]) < 0.03


@pytest.mark.parametrize("halvings", [1, 3, 7])
def test_means_and_covariance_are_those_of_before(halvings: int) -> None:
    found, (inputs, labels) = statistics(), examples(3_000, seed=1)
    learn(found, inputs, labels)
    parts = (found.sums.counts, found.sums.sums, found.sums.square())
    before = after = Sums(*(part.numpy().astype(np.int64) for part in parts))
    for _ in range(halvings):
        after = halved(after)
    means = [sums.sums / sums.counts[:, None] for sums in (before, after)]
    assert np.abs(means[1] - means[0]).max() < 0.5 * 2**halvings / 700
    covariances = [within(sums) / sums.counts.sum() for sums in (before, after)]
    before_all = np.linalg.norm(covariances[0])
    assert np.linalg.norm(covariances[1] - covariances[0]) < 0.002 * 2**halvings * before_all
    assert np.linalg.eigvalsh(covariances[1])[0] > -1e-9 * covariances[1].trace()


def test_a_class_of_one_example_leaves_nothing_behind() -> None:
    found = halved(Sums(*(np.array(part, np.int64) for part in ([4, 1], [[8], [60]], [[4 * 4 + 3_600]]))))
    assert found.counts.tolist() == [2, 0] and found.sums.tolist() == [[4], [0]]
    assert found.scatter.tolist() == [[8]]
