"""DGR: how much its former self generates beside the new, and when it asks for a sleep."""

from __future__ import annotations

from typing import Any

import pytest

from streamlearner.generative.generative_memory import LabelledSamples
from streamlearner.methods.deep_generative_replay import DeepGenerativeReplay
from tests.support.arms import TINY, exactly, make, observe, sleep, state


def replaying(**more: Any) -> DeepGenerativeReplay:
    method = make("deep_generative_replay", method__generative_dual_memory__steps=1, **more)
    assert isinstance(method, DeepGenerativeReplay)
    return method


def generated(method: DeepGenerativeReplay, monkeypatch: pytest.MonkeyPatch, labels: list[int]) -> int:
    """Samples that its former self makes while it learns these, each label a task."""
    counts, generate = [0], type(method.neocortex).generate

    def counted(memory: Any, count: int, classes: int, **more: Any) -> LabelledSamples:
        counts.append(count)
        return generate(memory, count, classes, **more)

    with monkeypatch.context() as patch:
        patch.setattr(type(method.neocortex), "generate", counted)
        method.observe(TINY.experience(labels, seed=1))
    return sum(counts)


def slept(method: DeepGenerativeReplay) -> None:
    method.adopt(sleep(method))


def test_the_more_tasks_it_knows_the_more_is_generated_beside_each_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = replaying(method__generative_dual_memory__kappa=0.3)
    assert generated(method, monkeypatch, [0] * 10) == 0  # it knows nothing yet
    slept(method)
    assert generated(method, monkeypatch, [1] * 10) == 10  # one known task, one new
    slept(method)
    assert generated(method, monkeypatch, [2] * 10) == 20
    slept(method)
    assert generated(method, monkeypatch, [3] * 10) == 23  # 0.3 of the batch is the least share of the new
    assert generated(method, monkeypatch, [0, 1, 2] * 4) == 1  # of three tasks that came again, 0.9


def test_a_second_task_since_the_last_sleep_asks_for_one() -> None:
    method = replaying()
    fullness = []
    for labels in ([0] * 5, [0] * 5, [1] * 5, [2] * 5):
        method.observe(TINY.experience(labels, seed=3))
        fullness.append(method.fullness)
    assert fullness == [0, 0, 1, 2]
    candidate = sleep(method)
    method.observe(TINY.experience([3] * 5, seed=4))  # met while it sleeps
    method.adopt(candidate)
    assert method.fullness == 0
    assert len(method.neocortex.tasks) == 3
    method.observe(TINY.experience([0] * 5, seed=5))  # a known task that comes again
    assert method.fullness == 1


def test_a_named_task_is_one_whatever_its_labels() -> None:
    method = replaying()
    observe(method, 3, tasks=2)
    assert len(method.hippocampus.tasks) == 2


def test_by_period_all_between_two_sleeps_is_one_task() -> None:
    method = replaying(method__generative_dual_memory__task_from="period")
    observe(method, 3)
    assert len(method.hippocampus.tasks) == 1
    slept(method)
    observe(method, 1)
    assert len(method.hippocampus.tasks) == 2


def test_the_former_self_is_the_scholar_of_the_sleep_and_stays_so() -> None:
    method = replaying()
    observe(method, 2)
    then = {name: exactly(value) for name, value in method.hippocampus.state_dict().items()}
    slept(method)
    observe(method, 2, seed=9)
    assert {name: exactly(value) for name, value in method.neocortex.state_dict().items()} == then


def test_a_task_that_ended_is_generated_as_it_was_before_the_next_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = make("deep_generative_replay", method__generative_dual_memory__steps=10)
    assert isinstance(method, DeepGenerativeReplay)
    for step in range(60):
        method.observe(TINY.experience([0] * 10, seed=step))
    learned = state(method.hippocampus)
    assert generated(method, monkeypatch, [1] * 10) == 100  # as many as the new, ten times
    assert state(method.generating_scholar) == learned
    candidate = sleep(method)
    assert state(candidate.neocortex) == learned
    method.adopt(candidate)
    assert method.generating_scholar is method.neocortex
    assert [*method.neocortex.tasks] == [1]  # of label 0
    assert method.fullness == 0


def test_a_task_that_ends_while_it_sleeps_is_kept_for_the_next_sleep() -> None:
    method = make("deep_generative_replay", method__generative_dual_memory__steps=10)
    assert isinstance(method, DeepGenerativeReplay)
    for step in range(60):
        method.observe(TINY.experience([step // 50] * 10, seed=step))
    candidate = sleep(method)
    method.observe(TINY.experience([2] * 10, seed=100))
    method.adopt(candidate)
    assert [*method.neocortex.tasks] == [1]
    assert [*method.generating_scholar.tasks] == [1, 3]
    assert method.fullness == 1
    again = make("deep_generative_replay")
    again.load_state_dict(method.state_dict())
    assert state(again) == state(method)


def test_where_tasks_come_mixed_no_scholar_that_knows_nothing_is_kept() -> None:
    method = replaying()
    observe(method, 5)
    assert method.generating_scholar is method.neocortex
