"""A sleep holds hardly more than the memory, and comes to the bits that it came to with a copy of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from streamlearner.decoding.batch import Batch
from streamlearner.learning import consolidation, lending
from streamlearner.learning.learner import Learner
from streamlearner.memory.lent_records import SHARE
from streamlearner.methods.base import DualMemory
from tests.support.arms import METHODS, TINY, exactly
from tests.support.learners import everything, restarted, slept, with_replay

BATCH = 6


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def batch(number: int, classes: list[int], *, task: str | None = None) -> Batch:
    labels = [classes[(number * 7 + i * i) % len(classes)] for i in range(BATCH)]
    names, tasks = tuple(f"class {label}" for label in labels), (task,) * BATCH
    return Batch(inputs=TINY.inputs(labels, seed=number), labels=names, tasks=tasks, ids=(None,) * BATCH)


STREAMS: dict[str, Callable[[int], Batch]] = {
    "the same classes": lambda number: batch(number, [0, 1, 2]),
    "a class at a time": lambda number: batch(number, [number // 5]),
    "wider labels in mid-sleep": lambda number: batch(number, [0, 1] if number % 8 < 6 else [number // 4]),
    "tasks in mid-sleep": lambda number: batch(
        number, [0, 1, 2], task=None if number < 12 else f"task {number // 3}"
    ),
}
"""Sleeps begin every eighth batch. Associations are renewed, or codes shortened, in each."""
streams = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


def learner(arm: str, *, budget_bits: int, sampling: str = "balanced", steps: int = 12) -> Learner:
    return with_replay(arm, memory__budget_bits=budget_bits, memory__sampling=sampling, sleep__steps=steps)


class Watched:
    """A learner of which each batch is looked at; two steps of a sleep for each."""

    def __init__(self, learner: Learner) -> None:
        self.learner, self.dream, self.results = learner, 0, []
        self.ahead = False

    def live(self, first: int, stop: int, stream: Callable[[int], Batch]) -> Watched:
        for number in range(first, stop):
            self.learner.learn(stream(number))
            if number % 8 == 5 and not self.learner.asleep:
                self.learner.begin_consolidation()
            elif self.learner.asleep:
                assert self.learner.consolidation is not None
                self.dream = max(self.dream, self.learner.stored_bits()["dream"])
                self.ahead |= self.learner.consolidation.taught
                if (result := self.learner.consolidate(2)) is not None:
                    self.results.append(result)
        return self

    def end(self) -> dict[str, Any]:
        """Everything that was learned, but for a sleep under way."""
        method = self.learner.tensors()["method"]
        return {name: exactly(tensor) for name, tensor in method.items()} | {"results": self.results}


def with_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was before: a candidate was a clone."""
    for kind in METHODS.values():
        monkeypatch.setattr(kind, "candidate", DualMemory.clone)
    monkeypatch.setattr(consolidation.Consolidation, "has_room", lambda self, examples: True)


@streams
@pytest.mark.parametrize(
    ("arm", "budget_bits", "sampling"),
    [
        ("recollection_replay", 6_000, "balanced"),
        ("recollection_replay", 40_000, "reservoir"),
        ("active_long_term", 9_000, "reservoir"),
        ("masked_generator", 6_000, "balanced"),
    ],
)
def test_it_is_the_sleep_that_it_was_with_copies_to_the_bit(
    arm: str, budget_bits: int, sampling: str, stream: Callable[[int], Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    lent = Watched(learner(arm, budget_bits=budget_bits, sampling=sampling)).live(0, 22, stream)
    with_copies(monkeypatch)
    copied = Watched(learner(arm, budget_bits=budget_bits, sampling=sampling)).live(0, 22, stream)
    assert lent.end() == copied.end()
    assert lent.results
    assert lent.dream <= SHARE * budget_bits


@pytest.mark.parametrize("arm", METHODS)
def test_of_no_method_more_is_held_asleep_than_its_share_of_the_budget(arm: str) -> None:
    for budget_bits in (2_048, 20_000):
        watched = Watched(learner(arm, budget_bits=budget_bits)).live(0, 24, STREAMS["a class at a time"])
        assert watched.results or watched.learner.asleep
        assert watched.dream <= SHARE * budget_bits


def test_where_more_is_about_to_be_replaced_the_steps_that_are_left_are_taken_first() -> None:
    one = learner("recollection_replay", budget_bits=6_000)
    Watched(one).live(0, 5, STREAMS["a class at a time"])
    for number in range(50, 70):
        one.learn(batch(number, [0, 1]))
    one.begin_consolidation()
    now = one.consolidation
    assert now is not None and not now.taught and not one.has_room(BATCH)
    for number in range(5, 10):
        one.learn(batch(number, [9]))
    assert now.taught and (now.steps, now.ahead) == (0, 12)
    assert one.stored_bits()["dream"] == 0
    assert [one.consolidate(4) for _ in range(3)] == [None, None, None]
    result = one.consolidate(1)
    assert result is not None and result.steps == 12


def test_steps_taken_ahead_one_by_one_end_the_same() -> None:
    ends = []
    for slices in ([], [1, 4], [5, 1, 100], [None]):
        one = (
            Watched(learner("recollection_replay", budget_bits=6_000))
            .live(0, 5, STREAMS["the same classes"])
            .learner
        )
        one.begin_consolidation()
        one.consolidate(3)
        for steps in slices:
            one.teach_ahead(steps)
        one.learn(batch(5, [9]))
        ends.append((one.consolidate(100), everything(one)))
    assert all(end == ends[0] for end in ends)


@streams
@pytest.mark.parametrize(
    ("arm", "budget_bits", "sampling"),
    [
        ("recollection_replay", 6_000, "reservoir"),
        ("recollection_replay", 40_000, "balanced"),
        ("active_long_term", 9_000, "balanced"),
    ],
)
def test_restarts_after_each_batch_awake_or_asleep_leave_no_trace(
    arm: str, budget_bits: int, sampling: str, stream: Callable[[int], Batch]
) -> None:
    calm = Watched(learner(arm, budget_bits=budget_bits, sampling=sampling))
    harmed = Watched(learner(arm, budget_bits=budget_bits, sampling=sampling))
    asleep = 0
    for number in range(22):
        calm.live(number, number + 1, stream)
        harmed.live(number, number + 1, stream)
        asleep += calm.learner.asleep
        fresh = learner(arm, budget_bits=budget_bits, sampling=sampling)
        harmed.learner = restarted(harmed.learner, fresh)
        assert everything(harmed.learner) == everything(calm.learner), number
    assert harmed.results == calm.results
    assert asleep > 8
    assert harmed.dream <= SHARE * budget_bits


@pytest.mark.parametrize("arm", METHODS)
@pytest.mark.parametrize("budget_bits", [3_000, 60_000])
def test_every_method_restarted_again_and_again_in_mid_sleep_comes_to_the_same(
    arm: str, budget_bits: int
) -> None:
    calm, harmed = (Watched(learner(arm, budget_bits=budget_bits)) for _ in range(2))
    for number in range(14):
        for one in (calm, harmed):
            one.live(number, number + 1, STREAMS["wider labels in mid-sleep"])
        if harmed.learner.asleep:
            harmed.learner = restarted(harmed.learner, learner(arm, budget_bits=budget_bits))
        assert everything(harmed.learner) == everything(calm.learner), number
    assert harmed.results == calm.results


@pytest.mark.parametrize("budget_bits", [6_000, 40_000])
@pytest.mark.parametrize("arm", ["recollection_replay", "active_long_term", "streaming_statistics"])
def test_a_sleep_that_was_saved_with_a_copy_is_gone_on_with_to_the_same_bits(
    arm: str, budget_bits: int
) -> None:
    one = learner(arm, budget_bits=budget_bits)
    Watched(one).live(0, 5, STREAMS["the same classes"])
    slept(one)
    one.learn(batch(5, [0, 1]))
    start = {name: tensor.clone() for name, tensor in one.method.state_dict().items()}
    one.begin_consolidation()
    one.consolidate(1)
    one.learn(batch(6, [0, 1]))
    old = {file: part for file, part in one.tensors().items() if file != "set_aside"}
    old["consolidation"] = start
    again = learner(arm, budget_bits=budget_bits)
    again.restore(
        {file: {name: tensor.clone() for name, tensor in part.items()} for file, part in old.items()},
        json.loads(json.dumps(one.facts())),
    )
    for number in range(7, 9):
        for each in (one, again):
            each.learn(batch(number, [0, 1, 2, number]))
    results = [each.consolidate(100) for each in (one, again)]
    assert results[0] == results[1] and results[0] is not None
    assert everything(again) == everything(one)


@pytest.mark.parametrize("budget_bits", [3_000, 9_000, 90_000])
def test_a_sleep_is_gone_on_with_also_where_the_budget_is_another_one(budget_bits: int) -> None:
    one = (
        Watched(learner("recollection_replay", budget_bits=9_000))
        .live(0, 7, STREAMS["the same classes"])
        .learner
    )
    again = restarted(one, learner("recollection_replay", budget_bits=budget_bits))
    assert again.asleep
    again.learn(batch(8, [0, 1, 7]))
    result = again.consolidate(100)
    assert result is not None and result.steps == 12
    assert again.method.memory.stored_bits <= budget_bits  # type: ignore[union-attr, operator]


def test_a_sleep_given_up_holds_nothing_any_more() -> None:
    watched = Watched(learner("recollection_replay", budget_bits=40_000))
    one = watched.live(0, 6, STREAMS["the same classes"]).learner
    now = one.consolidation
    assert now is not None
    one.learn(batch(7, [0, 1]))
    one.abandon_consolidation()
    assert now.stored_bits == 0
    assert all(len(memory) == 0 for memory in lending.memories(now.candidate).values())


def test_a_sleep_that_begins_anew_lets_go_of_what_the_one_before_read() -> None:
    watched = Watched(learner("recollection_replay", budget_bits=40_000))
    one = watched.live(0, 6, STREAMS["the same classes"]).learner
    former = one.consolidation
    one.begin_consolidation()
    assert former is not None and former is not one.consolidation
    for number in range(6, 40):
        one.learn(batch(number, [0, 1, 2]))
    assert former.stored_bits == 0 and not former.taught, "it was taught once more, for nobody"
