"""Of a stream of vectors: stored whole while the budget has room, then in codes that are shorter."""

from __future__ import annotations

import math
import tracemalloc

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from streamlearner.app.learning import make_method
from streamlearner.config.loading import load
from streamlearner.memory.code_size import feature_bits_for
from streamlearner.methods.base import Experience
from streamlearner.methods.recollection_replay import RecollectionReplay
from streamlearner.statistics.class_sums import ClassSums
from streamlearner.statistics.discriminant import discriminant
from streamlearner.testing.states import differing


def method(values: int, *, budget_bits: int, **settings: object) -> RecollectionReplay:
    named = {"memory.budget_bits": budget_bits, "precision": "fp32"}
    config = load(path=None, settings=named | settings, environ={})
    made = make_method(config, input_shape=(values,), dtype=torch.float32)
    assert isinstance(made, RecollectionReplay)
    return made


def inputs_of(batch: int, values: int) -> Tensor:
    """Of the scale of 1,000 and more, and correlated."""
    rng = torch.Generator().manual_seed(batch)
    mixed = torch.randn(10, 3, generator=rng) @ torch.randn(3, values, generator=torch.Generator())
    return 1_000.0 * mixed + 5_000.0 + torch.randn(10, values, generator=rng)


def observe(learner: RecollectionReplay, first: int, last: int) -> None:
    for batch in range(first, last):
        labels = torch.arange(10) % 2
        learner.observe(Experience(inputs_of(batch, learner.association.input_shape[0]), labels))
        assert learner.memory.stored_bits <= learner.memory.budget_bits


def held_whole(learner: RecollectionReplay, batches: int) -> int:
    """How many of the vectors of the first so many batches are remembered to 16 bits."""
    held = learner.association.decode(learner.memory.contents().symbols)
    seen = torch.cat([inputs_of(batch, held.shape[1]) for batch in range(batches)])
    return int(((held[:, None] - seen).abs() <= 2.0**-16 * seen.abs()).all(2).any(1).sum())


def test_two_features_are_kept_whole_where_their_rows_fit() -> None:
    learner = method(2, budget_bits=64 * 8 * 1024)
    observe(learner, 0, 30)
    assert held_whole(learner, 30) == 300
    left = 64 * 8 * 1024 // 4  # statistics have the rest at first
    assert learner.memory.capacity == left // learner.memory.record_bits >= 2_600


def test_the_first_inputs_of_a_stream_are_not_lost_to_a_code_that_has_seen_nothing() -> None:
    learner = method(30, budget_bits=64 * 8 * 1024)
    observe(learner, 0, 1)
    assert held_whole(learner, 1) == 10


def test_codes_get_shorter_when_the_memory_is_full_and_none_is_lost() -> None:
    learner, widths = method(30, budget_bits=60_000), []
    for batch in range(60):
        observe(learner, batch, batch + 1)
        widths.append(learner.memory.record_bits)
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) >= 3
    assert len(learner.memory) == min(600, learner.memory.capacity) > 400
    held = learner.association.decode(learner.memory.contents().symbols)
    seen = torch.cat([inputs_of(batch, 30) for batch in range(60)])
    nearest = torch.cdist(held, seen).min(1).values.square().mean() / 30
    assert nearest < 0.2 * seen.var(0).mean()


def settled_bits(values: int, *, budget_bits: int, classes: int, batches: int) -> tuple[float, int]:
    """Of a code, after so many batches, and what the planner would have chosen."""
    learner = method(values, budget_bits=budget_bits, **{"method.statistics": False})
    for batch in range(batches):
        labels = torch.arange(batch * 10, batch * 10 + 10) % classes
        learner.observe(Experience(inputs_of(batch, values), labels))
        assert learner.memory.stored_bits <= budget_bits
    planned = feature_bits_for(values=values, room_bits=budget_bits, classes=classes)
    return math.fsum(map(math.log2, learner.association.radices)), planned


@pytest.mark.parametrize(("budget_bits", "classes"), [(4_000, 2), (4_000, 100), (40_000, 2), (40_000, 100)])
def test_codes_end_at_half_to_twice_what_retains_most(budget_bits: int, classes: int) -> None:
    """Lengths go by halves. They were 200 bits, whatever the budget and the classes."""
    found, planned = settled_bits(100, budget_bits=budget_bits, classes=classes, batches=120)
    assert planned / 1.5 <= found <= planned * 1.5


def test_a_small_memory_tells_more_of_digits_than_with_codes_of_two_bits_a_value() -> None:
    values, labels = (torch.tensor(part) for part in load_digits(return_X_y=True))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    shown, tested = order[:1_300], order[1_300:]
    right: dict[str, float] = {}
    for name, settings in (("planned", {}), ("two bits", {"association.code_bits": 128})):
        learner = method(64, budget_bits=4_096, **{"method.statistics": False}, **settings)
        for part in shown.split(50):
            learner.observe(Experience(values[part].float(), labels[part]))
        held = learner.memory.contents()
        of = learner.association.decode(held.symbols).round().to(torch.int8)
        sums = ClassSums(64)
        sums.grow(10)
        sums.add(of, held.labels)
        found = discriminant(sums.counts, sums.sums, sums.square()).scores(values[tested]).argmax(1)
        right[name] = float((found == labels[tested]).double().mean())
    assert right["planned"] > right["two bits"] + 0.05


def test_a_configured_length_is_kept_from_the_first() -> None:
    learner = method(30, budget_bits=60_000, **{"association.code_bits": 40})
    observe(learner, 0, 5)
    assert learner.memory.record_bits <= 41


@pytest.mark.parametrize(("values", "budget_bits"), [(30, 60_000), (100, 12_000)])
def test_a_restart_before_and_after_codes_were_shortened_goes_on_to_the_bit(
    values: int, budget_bits: int
) -> None:
    for at in (3, 25):
        learner = method(values, budget_bits=budget_bits)
        observe(learner, 0, at)
        restored = method(values, budget_bits=budget_bits)
        restored.load_state_dict({name: value.clone() for name, value in learner.state_dict().items()})
        assert restored.memory.record_bits == learner.memory.record_bits
        observe(learner, at, 45)
        observe(restored, at, 45)
        assert differing(learner, restored) == []
        assert torch.equal(learner.memory.contents().symbols, restored.memory.contents().symbols)


def test_a_smaller_budget_after_a_restart_is_not_exceeded() -> None:
    learner, smaller = method(30, budget_bits=60_000), method(30, budget_bits=4_000)
    observe(learner, 0, 3)
    smaller.load_state_dict(learner.state_dict())
    observe(smaller, 3, 20)
    assert smaller.memory.stored_bits <= 4_000
    assert len(smaller.memory) > 20


def test_showing_a_few_of_each_class_costs_what_is_shown_however_much_is_held() -> None:
    learner, shown = method(8, budget_bits=2**21, **{"association.code_bits": 48}), []
    rng = torch.Generator().manual_seed(0)
    radices = torch.tensor(learner.memory.radices)
    while len(learner.memory) < learner.memory.capacity:
        symbols = (torch.rand(1_000, len(radices), generator=rng) * radices).long()
        learner.memory.insert(symbols, torch.arange(1_000) % 5)
    unpacked_bytes = len(learner.memory) * len(radices) * 8
    tracemalloc.start()
    try:
        shown = learner.recollect(3)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [(label, len(inputs)) for label, inputs in shown] == [(label, 3) for label in range(5)]
    assert peak_bytes < unpacked_bytes / 2, (peak_bytes, unpacked_bytes, len(radices))
