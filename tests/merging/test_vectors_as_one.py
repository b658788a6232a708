"""Learners of vectors that met different first inputs share one scale, so what they sum is one sum."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from streamlearner.app.learning import make_learner
from streamlearner.cluster.scale import StoredScale
from streamlearner.cluster.store import Store
from streamlearner.config import loading as config
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Schema
from streamlearner.learning.learner import Learner
from streamlearner.learning.merging import draw_apart, merge, share_scale
from streamlearner.statistics.scale import Scale, agreed

COLUMNS, KINDS, EACH = 12, 4, 14
VECTOR = Schema(shape=(COLUMNS,), dtype="float32")
METHODS = ("streaming_statistics", "recollection_replay")


@cache
def stream(part: int) -> tuple[Tensor, tuple[str, ...]]:
    """Of each partition its own kinds, in scales of their own; columns that never vary, columns that vary in
    one partition alone, and columns that vary later."""
    chosen = torch.Generator().manual_seed(part)
    kinds = torch.randint(KINDS, (EACH,), generator=chosen) + part
    inputs = 10.0 ** (part - 2) * torch.randn(EACH, COLUMNS, generator=chosen) + kinds[:, None]
    inputs[:, 0] = 3.0
    inputs[:, 1 + part] = inputs[:, 1 + part].round()
    inputs[: EACH // 2, 6] = 0.0
    inputs[:, 7 + part % 5] = float(part) if part else torch.randn(EACH, generator=chosen)
    return inputs, tuple(f"kind {kind}" for kind in kinds.tolist())


def a_learner(method: str) -> Learner:
    chosen = {"method.name": method, "memory.budget_bits": 80_000, "exam.fraction": 0.0, "seed": 0}
    return make_learner(config.load(path=None, settings=chosen, environ={}), schema=VECTOR)


def learn(learner: Learner, part: int, start: int, count: int) -> None:
    inputs, labels = stream(part)
    found, named = inputs[start : start + count], labels[start : start + count]
    if len(found):
        nobody = (None,) * len(found)
        learner.learn(Batch(inputs=found, labels=named, tasks=nobody, ids=nobody))


def sums_of(learner: Learner) -> dict[str, Any]:
    """By name, in order, whichever class came first. (Compared as words: a rule that is missing is NaN.)"""
    method: Any = learner.method
    statistics = getattr(method, "answering", None)
    found = statistics.statistics if statistics is not None else method.hippocampus
    by_class = {
        f"{name} {learner.labels.label(k)}": part[k].tolist()
        for name, part in (("count", found.sums.counts), ("sums", found.sums.sums))
        for k in range(len(part))
    }
    scale = [it.tolist() for it in found.directions.scale]
    return dict(sorted(by_class.items())) | {"scatter": found.sums.scatter.tolist(), "scale": scale}


def shards_of(store: Store, method: str, count: int, *, sizes: tuple[int, ...] = (1, 3, 7)) -> list[Learner]:
    """They learn in turns, each with batches of its own sizes."""
    learners = []
    for number in range(count):
        learner = a_learner(method)
        draw_apart(learner, number=number)
        share_scale(learner, StoredScale(store))
        learners.append(learner)
    for start in range(0, EACH, sizes[-1]):
        for number, learner in enumerate(learners):
            places = sorted({start, *(start + size for size in sizes[(number % 2) :])})
            for first, last in itertools.pairwise(places):
                learn(learner, number, first, last - first)
    return learners


def merged(method: str, shards: list[Learner]) -> Learner:
    whole = a_learner(method)
    merge(whole, shards, generator=torch.Generator().manual_seed(1))
    return whole


@pytest.mark.parametrize(
    ("method", "count"),
    [("streaming_statistics", 2), ("streaming_statistics", 5), ("recollection_replay", 3)],
)
def test_statistics_of_other_first_inputs_add_to_the_last_bit_in_any_order(
    method: str, count: int, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    shards = shards_of(store, method, count)
    alone = a_learner(method)
    share_scale(alone, StoredScale(store))
    for number in range(count):
        learn(alone, number, 0, EACH)
    expected = sums_of(alone)
    orders = list(itertools.permutations(range(count)))
    for order in [orders[0], orders[-1], orders[len(orders) // 2]]:
        whole = merged(method, [shards[number] for number in order])
        found = sums_of(whole)
        assert str(found) == str(expected), order
        assert whole.progress.learned == count * EACH


def test_a_first_batch_of_one_and_a_later_one_share_the_scale(tmp_path: Path) -> None:
    shards = shards_of(Store(tmp_path), "streaming_statistics", 2, sizes=(1, EACH))
    assert sums_of(merged("streaming_statistics", shards))["count kind 1"] > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_learner_that_was_scaled_before_gives_its_scale_to_the_others(method: str, tmp_path: Path) -> None:
    first, store = a_learner(method), Store(tmp_path)
    learn(first, 3, 0, 8)
    before = sums_of(first)
    share_scale(first, StoredScale(store))
    assert str(sums_of(first)) == str(before)
    other = a_learner(method)
    share_scale(other, StoredScale(store))
    for number, learner in ((3, first), (1, other)):
        learn(learner, number, 8, 6)
    counted = sums_of(merged(method, [other, first]))
    assert sum(value for name, value in counted.items() if name.startswith("count")) == 20


def test_a_learner_whose_own_scale_contradicts_stays_alone_and_harms_nobody(tmp_path: Path) -> None:
    store, method = Store(tmp_path), "streaming_statistics"
    alone = a_learner(method)
    learn(alone, 4, 0, 8)
    others = shards_of(store, method, 2)
    before = sums_of(alone)
    share_scale(alone, StoredScale(store))
    assert str(sums_of(alone)) == str(before)
    learn(alone, 4, 8, 6)
    assert sums_of(merged(method, others))["count kind 1"] > 0
    with pytest.raises(ValueError, match="cannot merge statistics: other seeds, or other first inputs"):
        merged(method, [*others, alone])


def test_vectors_of_other_lengths_have_scales_of_their_own(tmp_path: Path) -> None:
    scale = StoredScale(Store(tmp_path))
    for columns in (3, 5):
        inputs = torch.arange(2.0 * columns).reshape(2, columns)
        assert agreed(Scale.unknown(columns), inputs, scale).is_whole
    assert len(StoredScale(Store(tmp_path)).newest(3).unit) == 3


column = st.lists(st.sampled_from([0.0, 0.1, -7.5, 1e30, float("nan")]), min_size=3, max_size=3)


@settings(max_examples=30, deadline=None)
@given(batches=st.lists(st.tuples(st.integers(0, 2), st.lists(column, min_size=1, max_size=3)), max_size=9))
def test_whoever_comes_first_all_scales_are_parts_of_one(
    batches: list[tuple[int, list[list[float]]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    shared = [StoredScale(store) for _ in range(3)]
    own = [Scale.unknown(3) for _ in range(3)]
    for number, rows in batches:
        inputs = torch.tensor(rows)
        own[number] = agreed(own[number], inputs, shared[number])
        assert own[number].after(inputs) is own[number], "each column that left its centre has a unit"
    for one, other in itertools.combinations([*own, StoredScale(store).newest(3)], 2):
        assert one.agrees(other)
