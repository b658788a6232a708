"""What every method promises (`methods.base.DualMemory`), whatever it is called: what it keeps and draws."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from streamlearner.methods.experience import Selection
from streamlearner.testing.states import global_generators, state
from streamlearner.testing.streams import BUDGET_BITS, KINDS, QUESTIONS, TINY, Subject, heard, observe, sleep

NOT_COUNTED = ("memory", "rng")
"""Stores with more than what was experienced in them: of a memory its records count."""


class MemoryPromises:
    """The promises of a method about what it keeps, and from what it draws."""

    # bits

    def test_stored_bits_are_the_bytes_held_and_never_above_the_budget(self, subject: Subject) -> None:
        budget_bits = 6_000
        method = subject.make(memory__budget_bits=budget_bits)
        for step in range(25):
            observe(method, 1, classes=3 + step, seed=step, tasks=0 if step < 12 else 3)
            stored = sum(method.stored_bits().values())
            experience = (
                "memory.records",
                *(f"{store}." for store in method.stores if store not in NOT_COUNTED),
            )
            held = sum(t.nbytes * 8 for name, t in method.state_dict().items() if name.startswith(experience))
            assert stored <= budget_bits
            assert held <= stored <= held * 1.01 + 8
        assert method.remembered == sum(method.remembered_by_class().values())
        assert method.fullness or not method.stored_bits()

    def test_parameter_bits_are_the_bytes_of_everything_else(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 4, classes=20)
        stores = tuple(f"{store}." for store in method.stores)
        held = sum(t.nbytes * 8 for name, t in method.state_dict().items() if not name.startswith(stores))
        assert sum(method.parameter_bits().values()) == held

    def test_recollections_look_like_inputs_and_showing_them_changes_nothing(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 6)
        before = state(method)
        shown = method.recollect(2)
        assert shown or not method.remembered
        for label, inputs in shown:
            assert 0 <= label < 4
            assert 1 <= len(inputs) <= 2
            assert inputs.shape[1:] == TINY.shape
            assert inputs.min() >= 0
            assert inputs.max() <= (255 if inputs.dtype == torch.uint8 else 1)
        assert state(method) == before

    def test_recollections_of_now_may_be_made_later_and_in_another_thread(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 6)
        shown, later = method.recollect(2), method.recollecting(2)
        observe(method, 6, seed=100)
        with ThreadPoolExecutor(1) as pool:
            again = pool.submit(later).result()
        assert [label for label, _ in again] == [label for label, _ in shown]
        assert all(torch.equal(one, other) for (_, one), (_, other) in zip(again, shown, strict=True))

    @pytest.mark.parametrize("kind", ["tiny images", "features"])
    def test_no_raw_input_is_kept_but_by_the_baseline_that_is_made_of_them(
        self, subject: Subject, kind: str
    ) -> None:
        method = subject.make(KINDS[kind], memory__budget_bits=BUDGET_BITS)
        method.observe(KINDS[kind].experience([0, 1, 2], seed=8))
        first = KINDS[kind].inputs([0, 1, 2], seed=8)[0]
        everything = pickle.dumps(method)
        seen = [
            first.numpy().tobytes(),
            first.to(torch.float32).numpy().tobytes(),
            (first / 255.0).numpy().tobytes(),
        ]
        assert any(trace in everything for trace in seen) == subject.keeps_raw_inputs

    # erasure

    def test_an_erased_example_is_remembered_no_more_and_learning_goes_on(self, subject: Subject) -> None:
        method = subject.make()
        ids = torch.arange(1, 17)
        shown = replace(TINY.experience([i % 4 for i in range(16)], seed=1), ids=ids)
        method.observe(shown)
        before = method.remembered
        removed = sum(method.erase(Selection(id=id)).recollections for id in ids.tolist())
        assert (removed, method.remembered) == (before, 0)
        observe(method, 3)
        heard(method)

    def test_an_erased_class_is_answered_no_more_until_it_comes_again(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 6)
        method.erase(Selection(label=1))
        assert 1 not in method.remembered_by_class()
        answers = method.predict_proba(QUESTIONS, None)
        assert answers.shape[1] == method.classes
        assert not bool((answers.argmax(1) == 1).any())
        again = subject.make()
        again.load_state_dict(method.state_dict())
        assert not bool((again.predict_proba(QUESTIONS, None).argmax(1) == 1).any())
        for seed in range(30, 34):
            method.observe(TINY.experience([1, 1, 1, 1, 0, 2], seed=seed))
        assert float(method.predict_proba(TINY.inputs([1], seed=99), None)[0, 1]) > 0

    def test_when_all_is_erased_there_is_still_some_answer(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 4)
        for label in range(method.classes):
            method.erase(Selection(label=label))
        assert method.remembered == 0
        assert bool(method.predict_proba(TINY.inputs([0, 1], seed=5), None).isfinite().all())

    # random draws

    def test_nothing_is_drawn_from_a_global_generator(self, subject: Subject) -> None:
        before = global_generators()
        method = subject.make()
        observe(method, 4)
        method.adopt(sleep(method))
        heard(method)
        method.recollect(2)
        subject.make(KINDS["colour images"])
        assert global_generators() == before
