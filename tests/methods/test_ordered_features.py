"""Methods on features in order: statistics of the first ones have most of the budget, and answer."""

from __future__ import annotations

import torch
from torch import Tensor

from streamlearner.app.learning import make_method
from streamlearner.config.loading import load
from streamlearner.methods.base import DualMemory, Experience
from streamlearner.methods.experience import Selection
from streamlearner.statistics.packed_sums import PackedSums

FEATURES, CLASSES = 60, 10
BUDGET = 60_000


def batch(seed: int, *, label: int | None = None, count: int = 20) -> Experience:
    draw = torch.Generator().manual_seed(seed)
    labels = (
        torch.randint(CLASSES, (count,), generator=draw) if label is None else torch.full((count,), label)
    )
    means = torch.zeros(CLASSES, FEATURES)
    means[:, :CLASSES] = 3 * torch.eye(CLASSES)
    inputs: Tensor = means[labels] + torch.randn(count, FEATURES, generator=draw)
    return Experience(inputs=inputs, labels=labels, tasks=torch.full((count,), -1))


def made(name: str = "recollection_replay") -> DualMemory:
    config = load(path=None, settings={"memory.budget_bits": BUDGET, "method.name": name}, environ={})
    return make_method(config, input_shape=(FEATURES,), dtype=torch.float32, ordered=True)


def test_classes_one_after_the_other_are_all_answered_within_the_budget() -> None:
    method = made()
    for label in range(CLASSES):
        for seed in range(10):
            method.observe(batch(100 * label + seed, label=label))
            stored = method.stored_bits()
            assert stored["statistics"] + stored["recollections"] <= BUDGET
    test = batch(9_999, count=500)
    right = method.predict_proba(test.inputs, None).argmax(1) == test.labels
    assert float(right.float().mean()) > 0.8
    assert stored["statistics"] > stored["recollections"] > 0


def test_a_restored_method_goes_on_as_the_one_that_was_saved() -> None:
    for name in ("recollection_replay", "streaming_statistics"):
        method, again = made(name), made(name)
        for seed in range(30):
            method.observe(batch(seed))
        again.load_state_dict(method.state_dict())
        for each in (method, again):
            each.observe(batch(777))
        one, other = (each.predict_proba(batch(1).inputs, None) for each in (method, again))
        assert torch.equal(one, other)
        assert method.stored_bits() == again.stored_bits()


def test_an_example_that_is_erased_leaves_no_trace_in_the_sums() -> None:
    for name in ("recollection_replay", "streaming_statistics"):
        method, without = made(name), made(name)
        gone, kept = batch(5, count=1), [batch(seed) for seed in range(10)]
        for experience in (*kept, gone):
            method.observe(experience)
        for experience in kept:
            without.observe(experience)
        removed = method.erase(Selection(id=1, example=gone))
        sums, expected = (sums_of(each) for each in (method, without))
        assert removed.statistics == "exact"
        assert torch.equal(sums.sums, expected.sums) and torch.equal(sums.square(), expected.square())


def test_a_class_that_is_erased_is_no_longer_counted() -> None:
    method = made("streaming_statistics")
    for seed in range(20):
        method.observe(batch(seed))
    method.erase(Selection(label=3))
    assert int(sums_of(method).counts[3]) == 0
    test = batch(9_999, count=500)
    assert not bool((method.predict_proba(test.inputs, None).argmax(1) == 3).any())


def sums_of(method: DualMemory) -> PackedSums:
    (found,) = [
        each for name, each in method.named_modules() if isinstance(each, PackedSums) and "neo" not in name
    ]
    return found
