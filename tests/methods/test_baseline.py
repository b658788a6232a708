"""Baselines of one network: so many optimiser steps for each batch, which is met and kept but once."""

from __future__ import annotations

import pytest
import torch

from streamlearner.methods.baseline import Baseline
from tests.support.arms import METHODS, TINY, differing, make

BASELINES = [name for name, method in METHODS.items() if issubclass(method, Baseline)]


def test_there_are_five() -> None:
    assert set(BASELINES) == {
        "finetune",
        "rehearsal",
        "elastic_weight_consolidation",
        "pseudopattern_rehearsal",
        "meta_learned_update",
    }


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "rehearsal"])
def test_two_steps_are_those_of_a_batch_that_comes_twice(name: str) -> None:
    once, twice = make(name, method__steps=2), make(name)
    batch = TINY.experience([0, 1, 1, 0], seed=3)
    answered = [once.observe(batch), *(twice.observe(batch) for _ in range(2))]
    assert differing(once.hippocampus, twice.hippocampus) == []
    assert answered[0].loss == answered[1].loss > answered[2].loss
    assert torch.equal(answered[0].predicted, answered[1].predicted), "the answer before it was learned"


def test_rehearsal_keeps_each_example_once_whatever_the_steps() -> None:
    method, plain = make("rehearsal", method__steps=3), make("rehearsal")
    for one in (method, plain):
        one.observe(TINY.experience([0, 1, 1, 0], seed=3))
    assert method.remembered == plain.remembered == 4
    assert differing(method.hippocampus, plain.hippocampus)
