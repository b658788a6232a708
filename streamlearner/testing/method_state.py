"""What every method promises (`methods.base.DualMemory`), whatever it is called: its state and its sleep."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch

from streamlearner.learning.lending import memories, own_state
from streamlearner.methods.base import DualMemory
from streamlearner.testing.states import differing, exactly, state
from streamlearner.testing.streams import (
    KINDS,
    QUESTIONS,
    TINY,
    Kind,
    Subject,
    assert_distributions,
    heard,
    observe,
    sleep,
)

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def own(candidate: DualMemory) -> list[object]:
    """Of a candidate, state that it does not share with its method, and what it remembers."""
    return [
        {name: exactly(tensor) for name, tensor in own_state(candidate).items()},
        {name: state(memory) for name, memory in memories(candidate).items()},
    ]


class StatePromises:
    """The promises of a method about its state, and its sleep."""

    # state

    @every_kind
    def test_equal_states_observe_equally_bit_for_bit(self, subject: Subject, kind: Kind) -> None:
        one, other = subject.make(kind), subject.make(kind)
        for method in (one, other):
            observe(method, 3, kind=kind, size=5)
        assert differing(one, other) == []

    def test_state_goes_through_safetensors_into_a_fresh_method_that_continues_bit_for_bit(
        self, subject: Subject
    ) -> None:
        method = subject.make()
        observe(method, 8, classes=21, tasks=3)  # more than one block of the head, renewed codes, tasks
        saved = safetensors.torch.save(
            {name: tensor.contiguous() for name, tensor in method.state_dict().items()}
        )
        restored = subject.make()
        restored.load_state_dict(safetensors.torch.load(saved))
        assert differing(method, restored) == []
        for one in (method, restored):
            observe(one, 4, classes=36, tasks=4, seed=1)
            one.adopt(sleep(one))
            observe(one, 4, classes=36, tasks=4, seed=2)
        assert differing(method, restored) == []
        assert exactly(heard(method)) == exactly(heard(restored))

    @pytest.mark.parametrize("kind", ["grey images", "colour images", "features"])
    def test_a_restored_method_continues_bit_for_bit_for_other_inputs_too(
        self, subject: Subject, kind: str
    ) -> None:
        method, restored = subject.make(KINDS[kind]), subject.make(KINDS[kind])
        observe(method, 3, kind=KINDS[kind], size=8)
        restored.load_state_dict({name: tensor.clone() for name, tensor in method.state_dict().items()})
        for one in (method, restored):
            observe(one, 2, kind=KINDS[kind], size=5, seed=1)
            one.adopt(sleep(one))
            observe(one, 1, kind=KINDS[kind], size=5, seed=2)
        assert differing(method, restored) == []

    def test_a_clone_shares_nothing_and_goes_the_same_way(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 5)
        clone, before = method.clone(), state(method)
        observe(clone, 5, seed=1, classes=20)
        clone.adopt(sleep(clone))
        assert state(method) == before
        after = state(clone)
        observe(method, 5, seed=1, classes=20)
        method.adopt(sleep(method))
        assert state(clone) == after
        assert differing(method, clone) == []

    def test_a_frozen_copy_answers_the_same_for_ever_and_remembers_nothing(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 10)
        frozen, answers = method.frozen(), heard(method)
        assert torch.equal(heard(frozen), answers)
        assert not any(name.startswith("memory") for name in frozen.state_dict())
        assert not any(parameter.requires_grad for parameter in frozen.parameters())
        observe(method, 10, seed=1, classes=20)
        assert torch.equal(heard(frozen), answers)
        assert not torch.equal(heard(method)[:, :4], answers)

    def test_no_gradient_outlives_a_step(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 3)
        candidate = sleep(method)
        assert [name for name, p in method.named_parameters() if p.grad is not None] == []
        assert [name for name, p in candidate.named_parameters() if p.grad is not None] == []

    # sleep

    def test_sleep_changes_nothing_until_it_is_adopted(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 6)
        before = state(method)
        sleep(method)
        assert state(method) == before

    def test_what_happens_awake_does_not_reach_a_consolidation(self, subject: Subject) -> None:
        quiet, busy = subject.make(), subject.make()
        for method in (quiet, busy):
            observe(method, 6)
        undisturbed, candidate = sleep(quiet), busy.candidate()
        course = busy.consolidate(candidate)
        observe(busy, 4, classes=20, seed=100)  # before the first step, too
        for step, _ in enumerate(course):
            observe(busy, 4, classes=20, seed=step + 1)
        assert own(candidate) == own(undisturbed)

    def test_an_adopted_neocortex_is_the_candidates_and_classes_met_meanwhile_remain(
        self, subject: Subject
    ) -> None:
        method = subject.make()
        observe(method, 10)
        candidate = sleep(method)
        method.observe(TINY.experience([17, 1, 17], seed=1))
        method.adopt(candidate)
        for name, tensor in candidate.neocortex.state_dict().items():
            held = method.neocortex.state_dict()[name]
            assert torch.equal(held[: len(tensor)] if tensor.ndim else held, tensor), name
        assert_distributions(heard(method), len(QUESTIONS), 18)
        method.observe(TINY.experience([39], seed=2))
        assert_distributions(heard(method), len(QUESTIONS), 40)

    def test_a_revert_forgets_what_was_learned_since(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 10)
        method.adopt(sleep(method))
        version = {name: tensor.clone() for name, tensor in method.neocortex.state_dict().items()}
        later = method.clone()
        observe(method, 5, seed=1)
        observe(later, 15, seed=2)
        for one in (method, later):
            one.observe(TINY.experience([19], seed=3))
            one.revert(version)
        assert_distributions(heard(method), len(QUESTIONS), 20)
        assert torch.equal(heard(method), heard(later))
        assert differing(method.neocortex, later.neocortex) == []
        assert differing(method.hippocampus, later.hippocampus) in (
            [],
            ["_extra_state"],
        )  # the averaging's age
        method.observe(TINY.experience([35], seed=3))
        assert_distributions(heard(method), len(QUESTIONS), 36)
