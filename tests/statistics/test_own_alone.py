"""The columns of vectors answer without random features where these only add noise, and nowhere else."""

from __future__ import annotations

import copy

import pytest
import torch
from sklearn.datasets import make_moons
from torch import Tensor

from streamlearner.statistics.directions import Directions
from streamlearner.statistics.graph import StatisticsGraph
from streamlearner.statistics.own_alone import OwnAlone
from streamlearner.statistics.statistics import Statistics

Data = tuple[Tensor, Tensor]


def statistics(columns: int) -> Statistics:
    directions = Directions(input_shape=(columns,), most=128, seed=0)
    return Statistics(directions=directions, budget_bits=2**18, most=128)


def clusters(*, classes: int = 60, columns: int = 24, each: int = 25, seed: int = 0) -> tuple[Data, Data]:
    """Normal distributions, class after class, and as many draws again to test on."""
    chosen = torch.Generator().manual_seed(seed)
    means = torch.randn(classes, columns, generator=chosen)
    labels = torch.arange(classes).repeat_interleave(each)
    parts = [means[labels] + torch.randn(len(labels), columns, generator=chosen) for _ in range(2)]
    return (parts[0], labels), (parts[1], labels)


def moons() -> tuple[Data, Data]:
    values, labels = make_moons(n_samples=1_000, noise=0.2, random_state=0)
    inputs, classes = torch.from_numpy(values).float(), torch.from_numpy(labels)
    return (inputs[:500], classes[:500]), (inputs[500:], classes[500:])


def learned(found: Statistics, data: Data, *, asked: bool = True) -> Statistics:
    """Batch by batch, each answered first."""
    for start in range(0, len(data[1]), 10):
        inputs, labels = (part[start : start + 10] for part in data)
        found.directions.calibrate(inputs)
        found.grow(int(labels.max()) + 1)
        numbers = found.numbers(inputs)
        found.learn(numbers, labels, found.scores(numbers).argmax(1) if asked else None)
    return found


def accuracy(found: Statistics, data: Data) -> float:
    return float((found.scores(found.numbers(data[0])).argmax(1) == data[1]).float().mean())


@pytest.mark.parametrize("seed", range(3))
def test_many_classes_of_few_examples_are_answered_by_their_columns_alone(seed: int) -> None:
    data, test = clusters(seed=seed)
    chosen, never_asked = (learned(statistics(24), data, asked=asked) for asked in (True, False))
    assert accuracy(chosen, test) > accuracy(never_asked, test) + 0.03


def test_what_columns_alone_cannot_tell_is_left_to_random_features() -> None:
    data, test = moons()
    found = learned(statistics(2), data)
    assert found.own_alone is not None and not found.own_alone.preferred
    assert accuracy(found, test) > 0.93  # a straight line has 87 %


def test_the_graph_answers_as_the_columns_alone_do() -> None:
    data, test = clusters()
    found = learned(statistics(24), data)
    assert found.own_alone is not None and found.own_alone.preferred
    torch.testing.assert_close(StatisticsGraph(found)(test[0]), found.scores(found.numbers(test[0])))


def test_what_was_saved_goes_on_as_if_nothing_had_happened() -> None:
    (inputs, labels), test = clusters()
    whole = learned(statistics(24), (inputs, labels))
    half = learned(statistics(24), (inputs[:700], labels[:700]))
    again = statistics(24)
    again.grow(half.sums.classes)
    again.load_state_dict(copy.deepcopy(half.state_dict()))
    learned(again, (inputs[700:], labels[700:]))
    found, expected = again.state_dict(), whole.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert torch.equal(again.scores(again.numbers(test[0])), whole.scores(whole.numbers(test[0])))


def test_state_from_before_it_was_asked_is_read_and_all_numbers_answer() -> None:
    data, _ = clusters()
    written = learned(statistics(24), data).state_dict()
    del written["own_alone.right"]
    again = statistics(24)
    again.grow(60)
    again.load_state_dict(written)
    assert again.own_alone is not None and not again.own_alone.preferred


def test_a_change_that_made_one_of_them_better_is_followed_within_a_horizon() -> None:
    found = OwnAlone()
    yes, no = torch.ones(10, dtype=torch.bool), torch.zeros(10, dtype=torch.bool)
    for _ in range(100):
        found.compare(no, yes)
    assert found.preferred
    for _ in range(100):
        found.compare(yes, no)
    assert not found.preferred


def test_after_the_first_ones_a_batch_in_four_of_ten_and_each_large_one_is_compared() -> None:
    found = OwnAlone()
    assert all(found.asks(seen, 10) for seen in range(0, 200, 10))
    assert sum(found.asks(seen, 10) for seen in range(200, 1_000, 10)) == 20
    assert all(found.asks(seen, 160) for seen in range(200, 1_000, 160))
