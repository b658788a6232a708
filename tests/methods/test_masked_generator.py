"""DGM: codes wait, sleep makes a generator of them, and what it generates is replayed ever after."""

from __future__ import annotations

import torch

from streamlearner.methods.masked_generator import MaskedGenerator
from tests.support.arms import KINDS, TINY, accuracy, make, rng, sleep, state

LATENTS = torch.randn(4, 32, generator=rng(4))


def masked(**more: object) -> MaskedGenerator:
    method = make("masked_generator", **more)
    assert isinstance(method, MaskedGenerator)
    return method


def slept(method: MaskedGenerator) -> None:
    candidate = sleep(method)
    assert isinstance(candidate, MaskedGenerator)
    method.adopt(candidate)


def learn_alone(method: MaskedGenerator, label: int, *, batches: int, kind: str = "tiny images") -> None:
    for batch in range(batches):
        method.observe(KINDS[kind].experience([label] * 10, seed=1000 * label + batch))


def test_after_a_sleep_the_codes_are_given_up_and_the_class_is_generated() -> None:
    method = masked()
    learn_alone(method, 0, batches=3)
    assert method.remembered_by_class() == {0: 30}
    slept(method)
    assert method.generator.known == [0]
    assert method.remembered == 0
    assert method.stored_bits() == {"recollections": 0}
    ((label, shown),) = method.recollect(3)
    assert label == 0
    assert shown.shape == (3, *TINY.shape)
    assert shown.dtype == torch.uint8
    learn_alone(method, 0, batches=1)
    assert method.remembered == 0


def test_a_class_of_too_few_examples_waits() -> None:
    method = masked()
    learn_alone(method, 0, batches=2)
    method.observe(TINY.experience([1] * 7, seed=1))
    slept(method)
    assert method.generator.known == [0]
    assert method.remembered_by_class() == {1: 7}
    assert [label for label, _ in method.recollect(2)] == [0, 1]


def test_generation_of_old_classes_is_the_same_to_the_bit_after_new_ones() -> None:
    method, shown = masked(), []
    for label in range(3):
        learn_alone(method, label, batches=2)
        slept(method)
        shown.append(method.generator.shown(LATENTS, 0))
    assert torch.equal(shown[0], shown[1])
    assert torch.equal(shown[0], shown[2])
    assert method.generator.known == [0, 1, 2]


def test_classes_that_came_one_by_one_are_all_answered() -> None:
    method = masked(method__masked_generator__steps=150, method__masked_generator__batch_size=32)
    for label in range(4):
        learn_alone(method, label, batches=25)
        slept(method)
    assert method.remembered == 0
    assert accuracy(method, TINY, 4) > 0.8


def test_units_are_told_by_state() -> None:
    method = masked()
    assert method.units() == {"reserved": 0, "free": 48, "reused": 0}
    for label in range(2):
        learn_alone(method, label, batches=2)
        slept(method)
    units = method.units()
    assert units["free"] == 48
    assert units["reserved"] == method.generator.blocked > 0
    assert units["reused"] == method.generator.growth()[-1].reused


def test_a_named_task_is_remembered_with_what_is_generated() -> None:
    method = masked()
    for batch in range(3):
        method.observe(TINY.experience([0, 1] * 5, seed=batch, tasks=[0, 1] * 5))
    slept(method)
    recalled = method._recalled(20, rng(0))
    assert recalled.remembered == 0
    assert torch.equal(recalled.tasks, recalled.labels)


def test_a_refused_sleep_loses_nothing() -> None:
    method = masked()
    learn_alone(method, 0, batches=3)
    before = state(method)
    sleep(method)
    assert state(method) == before
    assert method.remembered == 30
