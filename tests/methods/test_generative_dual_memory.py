"""DGDMN: a generative memory for each task, and a large one that sleep teaches from what they generate."""

from __future__ import annotations

from typing import Any

import torch

from streamlearner.methods.generative_dual_memory import GenerativeDualMemory
from tests.support.arms import TINY, accuracy, exactly, make, observe, sleep, state


def dual(**more: Any) -> GenerativeDualMemory:
    method = make("generative_dual_memory", **more)
    assert isinstance(method, GenerativeDualMemory)
    return method


def test_each_task_has_a_memory_of_its_own_and_a_known_one_goes_to_it() -> None:
    method = dual()
    observe(method, 4, tasks=2)
    assert [len(method.hippocampus.memories()), method.fullness] == [2, 0]
    untouched = state(method.hippocampus.memory_of(2))
    method.observe(TINY.experience([0, 2], seed=90, tasks=[0, 0]))
    assert len(method.hippocampus.memories()) == 2
    assert state(method.hippocampus.memory_of(2)) == untouched


def test_without_names_a_label_is_a_task_or_a_period_between_sleeps() -> None:
    by_label, by_period = dual(), dual(method__generative_dual_memory__task_from="period")
    for method in (by_label, by_period):
        observe(method, 4)
    assert len(by_label.hippocampus.memories()) == 4
    assert len(by_period.hippocampus.memories()) == 1
    by_period.adopt(sleep(by_period))
    observe(by_period, 1)
    assert by_period.neocortex.tasks.keys().isdisjoint(by_period.hippocampus.memories())


def test_it_is_full_when_one_task_too_many_comes_and_sleep_frees_those_learned_before() -> None:
    method = dual(method__generative_dual_memory__short_term_tasks=3)
    observe(method, 4, classes=3)
    assert not method.fullness
    method.observe(TINY.experience([3, 3], seed=92))
    assert method.fullness
    method.adopt(sleep(method))
    assert not method.fullness
    assert list(method.neocortex.tasks) == [1, 3, 5]  # labels 0, 1, 2
    assert list(method.hippocampus.memories()) == [7]  # label 3 has only begun


def test_it_is_fuller_with_each_task_that_comes_while_no_sleep_is_adopted() -> None:
    method = dual(method__generative_dual_memory__short_term_tasks=3)
    observe(method, 4, classes=4)
    assert method.fullness == 1
    sleep(method)
    method.observe(TINY.experience([4, 5], seed=93))
    assert method.fullness == 3


def test_a_sleep_before_it_is_full_consolidates_every_task() -> None:
    method = dual(method__generative_dual_memory__short_term_tasks=4)
    observe(method, 4)
    method.adopt(sleep(method))
    assert len(method.neocortex.tasks) == 4
    assert method.route == "neocortex"


def test_a_memory_that_learned_while_asleep_stays() -> None:
    method = dual()
    observe(method, 4)
    candidate = sleep(method)
    method.observe(TINY.experience([2], seed=91))
    method.adopt(candidate)
    assert [memory.tasks for memory in method.hippocampus.memories().values()] == [{5: 1}]  # label 2


def test_after_a_long_sleep_the_long_term_memory_alone_knows_the_tasks() -> None:
    method = dual(sleep__steps=400, sleep__batch_size=32, method__generative_dual_memory__steps=8)
    observe(method, 60)
    method.adopt(sleep(method))
    assert method.route == "neocortex"
    assert accuracy(method, TINY, 4) > 0.7


def test_a_task_that_is_revised_is_answered_as_well_as_before_while_its_memory_is_fresh() -> None:
    method = dual(sleep__steps=400, sleep__batch_size=32, method__generative_dual_memory__steps=8)
    observe(method, 200, tasks=1)
    method.adopt(sleep(method))
    labels = list(range(4)) * 20

    def right() -> float:
        answers = method.predict_proba(TINY.inputs(labels, seed=77), torch.zeros(80, dtype=torch.int64))
        return float((answers.argmax(1) == torch.tensor(labels)).float().mean())

    before = right()
    method.observe(TINY.experience([0, 1], seed=90, tasks=[0, 0]))
    assert list(method.hippocampus.memories()) == [0]
    assert before > 0.7, before
    assert right() > 0.95 * before


def test_how_often_a_task_was_met_is_counted_by_sleeps() -> None:
    method = dual()
    for seed in range(2):
        observe(method, 3, classes=2, seed=seed)
        method.adopt(sleep(method))
    assert method.neocortex.tasks == {1: 2, 3: 2}


def test_a_known_task_is_revised_with_what_the_long_term_memory_says_of_it() -> None:
    method, other = dual(), dual()
    for one in (method, other):
        observe(one, 3)
        one.adopt(sleep(one))
    other.neocortex.task_counts.zero_()  # as if it knew no task
    shown = TINY.experience([1, 1], seed=92)
    for one in (method, other):
        one.observe(shown)
    revised, fresh = (one.hippocampus.memory_of(3).state_dict() for one in (method, other))
    assert any(exactly(revised[name]) != exactly(fresh[name]) for name in fresh)


def test_generated_inputs_look_like_inputs() -> None:
    method = dual()
    observe(method, 5)
    samples = method.hippocampus.memory_of(1).generate(7, 4, rng=torch.Generator().manual_seed(0))
    assert samples.inputs.shape == (7, *TINY.shape)
    assert 0.0 <= float(samples.inputs.min()) <= float(samples.inputs.max()) <= 1.0
    assert samples.targets.shape == (7, 4)


def test_what_it_shows_is_generated_and_looks_like_the_class_that_it_is_shown_for() -> None:
    method = dual()
    observe(method, 60)
    shown = dict(method.recollect(3))
    assert [len(images) for images in shown.values()] == [3] * 4
    for label, images in shown.items():
        real = TINY.inputs([label] * 8, seed=1).float().mean(0)
        others = [TINY.inputs([other] * 8, seed=1).float().mean(0) for other in range(4) if other != label]
        seen = images.float().mean(0)
        assert all((seen - real).abs().mean() < (seen - other).abs().mean() for other in others)
    assert all(torch.equal(images, dict(method.recollect(3))[label]) for label, images in shown.items())
