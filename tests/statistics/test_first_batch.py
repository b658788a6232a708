"""Whatever the first batch of a stream holds, vectors are measured by how they vary."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import make_classification
from torch import Tensor

from streamlearner.statistics.directions import Directions
from streamlearner.statistics.statistics import Statistics

COLUMNS = 12


def examples(seed: int) -> tuple[Tensor, Tensor]:
    """Five classes, shuffled."""
    values, labels = make_classification(
        n_samples=2_000,
        n_features=COLUMNS,
        n_informative=8,
        n_classes=5,
        n_clusters_per_class=1,
        class_sep=1.2,
        random_state=seed,
    )
    return torch.from_numpy(values).float(), torch.from_numpy(labels)


def right_at_the_end(sizes: list[int], seed: int) -> float:
    """On the last 1,000, after the first 1,000 in batches of these sizes, the last size again and again."""
    inputs, labels = examples(seed)
    directions = Directions(input_shape=(COLUMNS,), most=128, seed=0)
    found = Statistics(directions=directions, budget_bits=2**18, most=128)
    found.grow(5)
    start = 0
    while start < 1_000:
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        batch = slice(start, start + size)
        found.directions.calibrate(inputs[batch])
        found.learn(found.numbers(inputs[batch]), labels[batch], None)
        start += size
    asked = found.scores(found.numbers(inputs[1_000:])).argmax(1)
    return float((asked == labels[1_000:]).float().mean())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sizes", [[1, 10], [2, 10], [1], [3]], ids=str)
def test_a_stream_that_begins_with_few_examples_ends_as_well(sizes: list[int], seed: int) -> None:
    assert right_at_the_end(list(sizes), seed) > right_at_the_end([10], seed) - 0.08


def test_a_column_of_one_value_so_far_says_nothing() -> None:
    directions = Directions(input_shape=(2,), most=40, seed=0)
    directions.calibrate(torch.tensor([[0.123456789, 7.0]]))
    asked = torch.tensor([[0.123456789, 7.0], [5.0, -1e30]])
    numbers = directions(asked, count=40)
    assert torch.equal(numbers[0], numbers[1])


def test_what_first_differs_gives_the_unit() -> None:
    directions = Directions(input_shape=(1,), most=30, seed=0)
    for value in (0.123456789, 0.123456789, 3.1, 900.0):
        directions.calibrate(torch.tensor([[value]]))
    assert float(directions.unit) == pytest.approx(3.1 - 0.1234, abs=0.01)


def clusters(
    seed: int, *, apart: float, classes: int = 60, columns: int = 8
) -> tuple[Tensor, Tensor, Tensor]:
    """15 draws of each class in turn, and their labels; and as many to test on."""
    chosen = torch.Generator().manual_seed(seed)
    means = apart * torch.randn(classes, columns, generator=chosen)
    labels = torch.arange(classes).repeat_interleave(15)
    drawn = [means[labels] + torch.randn(len(labels), columns, generator=chosen) for _ in range(2)]
    return drawn[0], labels, drawn[1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("apart", [3.0, 30.0])
def test_classes_far_from_the_first_are_told_apart_as_well_as_near_ones(apart: float, seed: int) -> None:
    """A first batch of one class: the units of the columns are the spread within it."""
    inputs, labels, test = clusters(seed, apart=apart)
    found = Statistics(directions=Directions(input_shape=(8,), most=128, seed=0), budget_bits=2**18, most=128)
    for start in range(0, len(labels), 10):
        batch = slice(start, start + 10)
        found.directions.calibrate(inputs[batch])
        found.grow(int(labels[batch].max()) + 1)
        numbers = found.numbers(inputs[batch])
        found.learn(numbers, labels[batch], found.comparable(numbers).argmax(1))
    asked = found.scores(found.numbers(test)).argmax(1)
    means = torch.stack([inputs[labels == label].mean(0) for label in range(60)])
    nearest = torch.cdist(test, means).argmin(1)
    assert float((asked == labels).float().mean()) > float((nearest == labels).float().mean()) - 0.03
