"""What every method promises (`methods.base.DualMemory`), whatever it is called: passing on what it knows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from streamlearner.methods.base import DualMemory
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import mlp
from streamlearner.networks.head import HEAD_BLOCK
from streamlearner.networks.seeded import seeded
from streamlearner.testing.states import differing, state
from streamlearner.testing.streams import (
    QUESTIONS,
    TINY,
    Subject,
    accuracy,
    assert_distributions,
    heard,
    observe,
    rng,
)


def another(hidden: tuple[int, ...] = (24,)) -> Network:
    """Not the architecture that any arm was built with; the same weights each time."""
    with seeded(3):
        return mlp(input_shape=TINY.shape, hidden=hidden)


def transplanted(
    method: DualMemory, *, steps: int = 4, student: nn.Module | None = None, seed: int = 0
) -> Any:
    """The candidate of a whole transplant."""
    candidate = method.clone()
    candidate.neocortex = student or another()
    for _ in method.transplant(
        candidate, steps=steps, remaining_steps=steps, rate_factor=1.0, generator=rng(seed)
    ):
        pass
    return candidate


def only_teachers(subject: Subject) -> None:
    if not subject.kind.can_transplant:
        pytest.skip("it remembers no inputs")


def only_switchers(subject: Subject) -> None:
    if subject.kind.switch is DualMemory.switch:
        with pytest.raises(NotImplementedError, match="keeps the network"):
            subject.make().switch(another())
        pytest.skip("it keeps the network that it was built with, and says so")


class TransplantPromises:
    """The promises of a method about what it passes on to another network."""

    def test_a_method_either_can_teach_another_network_or_says_why_not(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 3)
        assert method.can_transplant == (method.remembered > 0)
        if not method.can_transplant:
            with pytest.raises(NotImplementedError, match="no inputs to train another network"):
                transplanted(method)

    def test_a_student_of_another_architecture_learns_from_recollections_alone(
        self, subject: Subject
    ) -> None:
        if subject.varies or not subject.kind.can_transplant:
            pytest.skip("a promise of methods with default settings, if they remember inputs")
        method = subject.make()
        observe(method, 40)
        method.switch(transplanted(method, steps=150).neocortex)
        assert accuracy(method, TINY, 4) > 0.6

    def test_teaching_changes_the_student_alone_and_goes_the_same_way_each_time(
        self, subject: Subject
    ) -> None:
        only_teachers(subject)
        method = subject.make()
        observe(method, 6, tasks=2)
        before = state(method)
        one, other, otherwise = transplanted(method), transplanted(method), transplanted(method, seed=1)
        assert state(method) == before
        assert differing(one, other) == []
        assert differing(one, otherwise) != []

    def test_what_happens_awake_does_not_reach_a_student(self, subject: Subject) -> None:
        only_teachers(subject)
        method = subject.make()
        observe(method, 6)
        undisturbed, candidate = transplanted(method), method.clone()
        candidate.neocortex = another()
        course = method.transplant(candidate, steps=4, remaining_steps=4, rate_factor=1.0, generator=rng(0))
        for step, _ in enumerate(course):
            observe(method, 2, classes=20, seed=step + 1)
        assert differing(candidate.neocortex, undisturbed.neocortex) == []

    def test_a_class_that_no_one_has_seen_still_starts_from_nothing(self, subject: Subject) -> None:
        only_teachers(subject)
        method = subject.make()
        observe(method, 6)
        student = transplanted(method, steps=10).neocortex
        assert student.head.rows == HEAD_BLOCK
        assert (student.head.weight[method.classes :] == 0).all()
        assert (student.head.bias[method.classes :] == 0).all()

    def test_a_switched_method_answers_and_learns_with_copies_of_the_network(self, subject: Subject) -> None:
        only_switchers(subject)
        method, network = subject.make(), another()
        observe(method, 6, classes=20)
        before = state(network)
        method.switch(network)
        assert_distributions(heard(method), len(QUESTIONS), 20)
        observe(method, 40)
        assert accuracy(method, TINY, 4) > 0.6
        method.observe(TINY.experience([39], seed=1))
        assert_distributions(heard(method), len(QUESTIONS), 40)
        assert state(network) == before

    def test_a_switched_method_goes_through_its_state_into_one_built_with_that_network(
        self, subject: Subject
    ) -> None:
        only_switchers(subject)
        method, restored = subject.make(), subject.make()
        observe(method, 6)
        method.switch(another())
        observe(method, 3, seed=1)
        restored.switch(another())
        restored.load_state_dict({name: tensor.clone() for name, tensor in method.state_dict().items()})
        for one in (method, restored):
            observe(one, 3, seed=2, classes=20)
            one.adopt(candidate := one.clone())
            for _ in one.consolidate(candidate):
                pass
            one.adopt(candidate)
        assert differing(method, restored) == []

    def test_the_step_size_is_the_new_networks(self, subject: Subject) -> None:
        only_switchers(subject)
        method, network = subject.make(), another()
        network.learning_rate = 0.0
        observe(method, 2)
        method.switch(network)
        before = heard(method)
        observe(method, 3, seed=1)
        assert torch.equal(heard(method), before)
