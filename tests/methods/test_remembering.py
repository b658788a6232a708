"""Of a stream of vectors: stored whole while the budget has room, then in codes that are shorter."""

from __future__ import annotations

import tracemalloc

import torch
from torch import Tensor

from streamlearner.app.learning import make_method
from streamlearner.config.loading import load
from streamlearner.methods.base import Experience
from streamlearner.methods.recollection_replay import RecollectionReplay
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
    assert learner.memory.capacity >= 4_000


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


def test_a_configured_length_is_kept_from_the_first() -> None:
    learner = method(30, budget_bits=60_000, **{"association.code_bits": 40})
    observe(learner, 0, 5)
    assert learner.memory.record_bits <= 41


def test_a_restart_before_and_after_codes_were_shortened_goes_on_to_the_bit() -> None:
    for at in (3, 25):
        learner = method(30, budget_bits=60_000)
        observe(learner, 0, at)
        restored = method(30, budget_bits=60_000)
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
