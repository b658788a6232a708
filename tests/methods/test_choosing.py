"""When the nearest recollections are chosen to answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.methods import nearest as nearest_recollections
from streamlearner.methods.answerers import AVERAGED, NEAREST, STATISTICS
from streamlearner.methods.held_out import nearest_ahead
from streamlearner.statistics.directions import Directions
from streamlearner.statistics.statistics import Statistics
from tests.support.clouds import COLUMNS, answer, batch, learned


def statistics_of(inputs: Tensor, labels: Tensor) -> Statistics:
    directions = Directions(input_shape=(COLUMNS,), most=12, seed=0)
    found = Statistics(directions=directions, budget_bits=100_000, most=12)
    found.directions.calibrate(inputs)
    found.grow(2)
    for start in range(0, len(inputs), 10):
        part = slice(start, start + 10)
        found.learn(found.numbers(inputs[part]), labels[part], None)
    return found


def ahead(inputs: Tensor, labels: Tensor, *, of: Statistics) -> float | None:
    return nearest_ahead(inputs, of.numbers(inputs), labels, statistics=of, classes=2)


def noisy(count: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Two classes that overlap in one column, among others that tell nothing."""
    labels = torch.arange(count) % 2
    inputs = torch.randn(count, COLUMNS, generator=torch.Generator().manual_seed(seed))
    inputs[:, 0] += 1.5 * labels
    return inputs, labels


def test_held_out_recollections_tell_who_is_better() -> None:
    clouds = batch(0, size=600)
    found = ahead(clouds.inputs, clouds.labels, of=statistics_of(clouds.inputs, clouds.labels))
    assert found is not None and found > 2
    inputs, labels = noisy(600, seed=2)
    found = ahead(inputs, labels, of=statistics_of(inputs, labels))
    assert found is not None and found < -2
    assert ahead(inputs[:40], labels[:40], of=statistics_of(inputs, labels)) is None


@pytest.mark.parametrize("who", [NEAREST, STATISTICS])
def test_the_nearest_do_not_answer_where_they_are_behind_on_recollections(who: str) -> None:
    """An exam of few examples may say the contrary by chance."""
    method = learned(30)
    answer(method, who)
    hits = {name: torch.full((8,), name == NEAREST) for name in method.answerers}
    method.answering.weigh(hits, torch.arange(8) % 2, nearest_ahead=-0.5)
    assert method.route != NEAREST
    method.answering.weigh(hits, torch.arange(8) % 2, nearest_ahead=0.5)
    assert method.route == NEAREST


@pytest.mark.parametrize(("of_100", "who"), [(63, AVERAGED), (90, NEAREST)])
def test_of_a_part_they_must_be_better_each_time_anew(
    of_100: int, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network learns from all, they look at as many as ever."""
    method = learned(30)
    labels = torch.arange(100) % 2
    hits = {name: torch.arange(100) < 30 for name in method.answerers}
    hits |= {AVERAGED: torch.arange(100) < 60, NEAREST: torch.arange(100) >= 100 - of_100}
    for looked_at, expected in ((300, NEAREST), (200, who)):
        monkeypatch.setattr(nearest_recollections, "MOST", looked_at)
        monkeypatch.setattr(nearest_recollections, "LEAST_ROOM", 100)
        method.share_budget()
        answer(method, NEAREST)
        method.answering.evidence.forget_latest()
        method.answering.evidence.trust_exam()
        method.answering.weigh(hits, labels, nearest_ahead=1.0)
        assert method.route == expected
