"""Statistics of a stream are exact: in shards or in one, with examples erased or never seen, in any order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
import torch

from streamlearner.app.learning import make_method
from streamlearner.config.loading import load
from streamlearner.methods.base import DualMemory, Experience
from streamlearner.methods.experience import Selection
from streamlearner.statistics.packed_sums import PackedSums

FEATURES, CLASSES = 120, 20
AMPLE, SCARCE = 400_000, 30_000
"""Bits for all features, and for a few of them: the last ones are given up on the way."""


def made(budget_bits: int) -> DualMemory:
    settings = {"memory.budget_bits": budget_bits, "method.name": "streaming_statistics"}
    config = load(path=None, settings=settings, environ={})
    return make_method(config, input_shape=(FEATURES,), dtype=torch.float32, ordered=True)


def batches(count: int = 50, *, size: int = 20) -> list[Experience]:
    """Ten of the twenty classes in the first half, all in the second."""
    draw = torch.Generator().manual_seed(0)
    means = torch.randn(CLASSES, FEATURES, generator=draw)
    found = []
    for number in range(count):
        labels = torch.randint(CLASSES if 2 * number >= count else CLASSES // 2, (size,), generator=draw)
        inputs = means[labels] + torch.randn(size, FEATURES, generator=draw)
        found.append(Experience(inputs, labels))
    return found


def taught(experiences: Iterable[Experience], *, budget_bits: int) -> DualMemory:
    method = made(budget_bits)
    for each in experiences:
        method.observe(each)
    return method


def sums(method: DualMemory) -> PackedSums:
    found: PackedSums = method.hippocampus.sums  # type: ignore[assignment]
    return found


def same(one: PackedSums, other: PackedSums) -> bool:
    """To the last bit: what is held, as it is packed."""
    mine, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine | theirs)


def of_as_many_directions(one: PackedSums, other: PackedSums) -> tuple[PackedSums, PackedSums]:
    """Both along the directions that both have."""
    directions = min(one.directions, other.directions)
    found = []
    for each in (one, other):
        few = PackedSums(directions, budget_bits=10**9)
        few.merge(each)
        found.append(few)
    return found[0], found[1]


@pytest.mark.parametrize("budget_bits", [AMPLE, SCARCE])
def test_five_shards_merged_in_any_order_hold_what_one_would_that_saw_all(budget_bits: int) -> None:
    experiences = batches()
    one = sums(taught(experiences, budget_bits=budget_bits))
    shards = [taught(experiences[start::5], budget_bits=budget_bits) for start in range(5)]
    for order in itertools.islice(itertools.permutations(range(5)), 0, None, 29):
        merged = PackedSums(FEATURES, budget_bits=one.budget_bits)
        for number in order:
            merged.merge(sums(shards[number]))
        assert merged.stored_bits <= budget_bits
        assert same(*of_as_many_directions(merged, one))
        assert abs(merged.directions - one.directions) <= (0 if budget_bits == AMPLE else 3)
        if budget_bits == AMPLE:
            assert same(merged, one)


@pytest.mark.parametrize("budget_bits", [AMPLE, SCARCE])
def test_two_hundred_examples_that_are_erased_are_as_if_never_seen(budget_bits: int) -> None:
    experiences = batches()
    gone, kept = experiences[::5], [each for number, each in enumerate(experiences) if number % 5]
    method = taught(experiences, budget_bits=budget_bits)
    for experience, place in itertools.product(gone, range(20)):
        own = Experience(experience.inputs[place : place + 1], experience.labels[place : place + 1])
        assert method.erase(Selection(id=1, example=own)).statistics == "exact"
    never = taught(kept, budget_bits=budget_bits)
    assert same(*of_as_many_directions(sums(method), sums(never)))
    if budget_bits == AMPLE:
        assert same(sums(method), sums(never))


def test_the_order_in_which_classes_come_leaves_no_trace() -> None:
    experiences = batches()
    inputs, labels = (torch.cat([getattr(e, n) for e in experiences]) for n in ("inputs", "labels"))
    by_class = torch.argsort(labels, stable=True)
    ordered = [Experience(inputs[part], labels[part]) for part in torch.split(by_class, 20)]
    one, other = (sums(taught(each, budget_bits=SCARCE)) for each in (experiences, ordered))
    assert same(*of_as_many_directions(one, other))


def test_a_class_is_answered_two_batches_after_its_first_example() -> None:
    """A new class after nineteen others: two batches in which it has five of twenty examples are enough."""
    experiences = [e for e in batches(60) if not bool((e.labels == CLASSES - 1).any())]
    of_new = [e for e in batches(120) if bool((e.labels == CLASSES - 1).any())]
    own = torch.cat([e.inputs[e.labels == CLASSES - 1] for e in of_new])
    method = taught(experiences, budget_bits=SCARCE)
    for start in (0, 5):
        mixed = torch.cat([own[start : start + 5], experiences[start].inputs[:15]])
        labels = torch.cat([torch.full((5,), CLASSES - 1), experiences[start].labels[:15]])
        method.observe(Experience(mixed, labels))
    answers = method.predict_proba(own[10:], None).argmax(1)
    assert len(answers) > 20
    assert float((answers == CLASSES - 1).float().mean()) > 0.8


def test_two_hundred_examples_are_enough_to_answer() -> None:
    first, later = batches()[:10], batches()[10:20]
    method = taught(first, budget_bits=SCARCE)
    inputs, labels = (torch.cat([getattr(each, name) for each in later]) for name in ("inputs", "labels"))
    answers = method.predict_proba(inputs, None).argmax(1)
    assert float((answers == labels).float().mean()) > 0.8
