"""Who answers for a method that has a network, and what statistics leave of its budget."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from streamlearner.app import make_method
from streamlearner.config import loading
from streamlearner.methods.answerers import AVERAGED, BLEND, STATISTICS
from streamlearner.methods.answering import Answering
from streamlearner.methods.base import Experience
from streamlearner.methods.recollection_replay import RecollectionReplay
from streamlearner.statistics import shares
from streamlearner.statistics.shares import BEFORE, LEAST_DIRECTIONS, TODAY, statistics_share

COLUMNS = 12


def made(budget_bits: int) -> RecollectionReplay:
    config = loading.load(path=None, settings={"memory.budget_bits": budget_bits}, environ={})
    method = make_method(config, input_shape=(COLUMNS,), dtype=torch.float32)
    assert isinstance(method, RecollectionReplay)
    return method


def learn(method: RecollectionReplay, labels: list[int], *, seed: int) -> None:
    inputs = torch.randn(len(labels), COLUMNS, generator=torch.Generator().manual_seed(seed))
    method.observe(Experience(inputs=inputs, labels=torch.tensor(labels)))


@pytest.fixture
def with_many_classes() -> RecollectionReplay:
    """So many classes that statistics of enough directions no longer fit their half."""
    method = made(64_000)
    assert method.answering.statistics
    for first in range(0, 120, 10):
        learn(method, list(range(first, first + 10)), seed=first)
    return method


def test_statistics_of_too_few_directions_go_at_once(with_many_classes: RecollectionReplay) -> None:
    method = with_many_classes
    assert method.answering.statistics is None
    assert method.route in ("hippocampus", "live")
    assert method.memory.budget_bits == method.answering.budget_bits == 64_000


def test_statistics_that_stay_are_of_use() -> None:
    method = made(64_000)
    for first in range(0, 30, 10):
        learn(method, list(range(first, first + 10)), seed=first)
        statistics = method.answering.statistics
        assert statistics
        assert statistics.sums.directions >= LEAST_DIRECTIONS
        assert sum(method.stored_bits().values()) <= 64_000


def test_a_restart_changes_nothing_of_them(with_many_classes: RecollectionReplay) -> None:
    again = made(64_000)
    again.load_state_dict(with_many_classes.state_dict())
    for method in (with_many_classes, again):
        learn(method, [0, 5, 119], seed=500)
    assert again.memory.budget_bits == with_many_classes.memory.budget_bits
    assert equal(again.state_dict(), with_many_classes.state_dict())


@pytest.fixture
def from_before(monkeypatch: pytest.MonkeyPatch) -> RecollectionReplay:
    """A memory that began when there was but one way to divide a budget, which nobody wrote down."""
    with monkeypatch.context() as then:
        then.setattr(shares, "TODAY", BEFORE)
        method = made(524_288)
        learn(method, list(range(8)) * 5, seed=0)
    method.answering.choice = method.answering.choice[:5]
    return method


def test_a_memory_keeps_the_rule_that_it_began_with(from_before: RecollectionReplay) -> None:
    again = made(524_288)
    assert again.answering.statistics and from_before.answering.statistics
    assert again.answering.statistics.directions.digest != from_before.answering.statistics.directions.digest
    again.load_state_dict(from_before.state_dict())
    assert again.answering.statistics.directions.digest == from_before.answering.statistics.directions.digest
    assert again.memory.budget_bits == from_before.memory.budget_bits
    shown = torch.randn(50, COLUMNS, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again.predict_proba(shown, None), from_before.predict_proba(shown, None))
    learn(again, list(range(8)) * 5, seed=2)
    once_more = made(524_288)
    once_more.load_state_dict(again.state_dict())
    assert torch.equal(once_more.predict_proba(shown, None), again.predict_proba(shown, None))


@pytest.mark.parametrize(
    ("budget_bits", "share"), [(62_720, 31_360), (245_760, 122_880), (393_216, 262_144), (524_288, 393_216)]
)
def test_recollections_keep_room_where_statistics_take_more_than_half(budget_bits: int, share: int) -> None:
    assert statistics_share(budget_bits, TODAY, settled=False, ordered=False) == share
    assert statistics_share(budget_bits, TODAY, settled=True, ordered=False) == budget_bits // 8


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(held, other[name]) if isinstance(held, torch.Tensor) else True
        for name, held in one.items()
    )


@pytest.mark.parametrize(("ordered", "chosen"), [(True, STATISTICS), (False, BLEND)])
def test_of_ordered_features_a_few_examples_of_the_exam_are_no_reason_to_ask_a_network_too(
    ordered: bool, chosen: str
) -> None:
    """Five of 65 more, of a hundred classes: among that many choices chance does that, and the network has
    forgotten most of the classes that do not come now."""
    answering = Answering(budget_bits=2_000_000, input_shape=(64,), seed=0, ordered=ordered)
    answering.grow(65)
    right = torch.arange(65) % 2 == 0
    better = right | (torch.arange(65) < 10)
    exam = {STATISTICS: right, AVERAGED: right & (torch.arange(65) % 4 == 0), BLEND: better}
    answering.weigh(exam, torch.arange(65))
    assert answering.who == chosen


@pytest.mark.parametrize("period", [2, 3, 4, 5, 8, 10])
def test_a_stream_with_a_period_is_compared_at_each_place_of_it(period: int) -> None:
    """Of classes that come for two batches each fourth batch was the first of one, which nobody answers."""
    answering = Answering(budget_bits=64_000, input_shape=(COLUMNS,), seed=0)
    places = []
    for batch in range(20, 1_020):
        answering.choice[3] = batch
        if answering.compares:
            places.append(batch % period)
    assert 240 <= len(places) <= 260
    assert all(abs(places.count(place) - len(places) / period) <= 5 for place in range(period))
