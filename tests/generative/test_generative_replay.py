"""How many examples of each task a generative memory learns from (paper 001, section 3.1)."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from streamlearner.generative.generative_replay import replay_counts, task_numbers

tasks = st.dictionaries(st.integers(0, 20), st.integers(1, 500), min_size=1, max_size=6)


def test_shares_are_in_proportion_to_how_often_tasks_were_met() -> None:
    found = replay_counts({3: 100}, met={3: 1}, known={0: 1, 1: 1, 2: 1}, kappa=0.0, capacity=10_000)
    assert found.incoming == {3: 100}
    assert found.generated == 300


def test_repetitions_count() -> None:
    found = replay_counts({3: 100}, met={3: 2}, known={0: 5, 1: 1}, kappa=0.0, capacity=10_000)
    assert found.generated == 300  # 2 of 8 meetings are the new task's


def test_each_new_task_gets_at_least_kappa_of_the_capacity() -> None:
    known = dict.fromkeys(range(98), 1)
    found = replay_counts({100: 900, 101: 900}, met={100: 1, 101: 1}, known=known, kappa=0.1, capacity=1_000)
    assert found.incoming == {100: 100, 101: 100}
    assert found.generated == 800
    free = replay_counts({100: 900, 101: 900}, met={100: 1, 101: 1}, known=known, kappa=0.0, capacity=1_000)
    assert free.incoming == {100: 10, 101: 10}
    assert free.generated == 980


def test_a_full_memory_subsamples_what_came() -> None:
    found = replay_counts({0: 800, 1: 800}, met={0: 1, 1: 3}, known={}, kappa=0.05, capacity=400)
    assert found.incoming == {0: 100, 1: 300}
    assert found.generated == 0


def test_many_new_tasks_may_take_the_whole_memory() -> None:
    incoming, met = dict.fromkeys(range(30), 100), dict.fromkeys(range(30), 1)
    found = replay_counts(incoming, met=met, known={99: 1}, kappa=0.05, capacity=300)
    assert set(found.incoming.values()) == {10}
    assert found.generated == 0


def test_a_task_that_has_few_leaves_its_rest_to_the_others() -> None:
    found = replay_counts({0: 10, 1: 900}, met={0: 1, 1: 1}, known={}, kappa=0.0, capacity=500)
    assert found.incoming == {0: 10, 1: 490}


@given(tasks, st.dictionaries(st.integers(30, 50), st.integers(1, 9)), st.floats(0, 1), st.integers(1, 2_000))
def test_never_more_than_the_capacity_nor_than_came(
    incoming: dict[int, int], known: dict[int, int], kappa: float, capacity: int
) -> None:
    found = replay_counts(
        incoming, met=dict.fromkeys(incoming, 1), known=known, kappa=kappa, capacity=capacity
    )
    assert found.total <= max(capacity, 1)
    assert all(0 <= found.incoming[task] <= count for task, count in incoming.items())
    assert found.generated >= 0
    if not known:
        assert found.generated == 0
        assert found.total == min(capacity, sum(incoming.values()))


@pytest.mark.parametrize("wrong", [{"kappa": 1.5}, {"kappa": -0.1}, {"capacity": 0}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        replay_counts({0: 1}, **({"met": {0: 1}, "known": {}, "kappa": 0.1, "capacity": 10} | wrong))
    with pytest.raises(ValueError, match="0 new tasks"):
        replay_counts({}, met={}, known={}, kappa=0.1, capacity=10)


def test_named_tasks_and_what_stands_in_for_them_have_numbers_of_their_own() -> None:
    labels, tasks, period = torch.tensor([3, 4, 5]), torch.tensor([0, -1, 7]), torch.tensor(2)
    assert task_numbers(labels, tasks, task_from="label", period=period).tolist() == [0, 9, 14]
    assert task_numbers(labels, tasks, task_from="period", period=period).tolist() == [0, 5, 14]
    assert task_numbers(labels, None, task_from="label", period=period).tolist() == [7, 9, 11]
    assert task_numbers(labels, None, task_from="period", period=period).tolist() == [5, 5, 5]
