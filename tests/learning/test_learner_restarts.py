"""A learner that was restarted, awake or in mid-sleep, goes on to the same bits."""

from __future__ import annotations

import pytest
import torch

from tests.support.arms import METHODS, exactly
from tests.support.learners import (
    SLEEP_STEPS,
    a_batch,
    everything,
    prepared,
    restarted,
    slept,
    with_oracle,
    with_replay,
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("batches", [0, 1, 9])
def test_a_restart_between_batches_continues_to_the_same_bits(batches: int) -> None:
    learner = with_replay()
    for number in range(batches):
        learner.learn(a_batch(number))
    again = restarted(learner, with_replay())
    assert everything(again) == everything(learner)
    for one in (learner, again):
        for number in range(batches, batches + 3):
            one.learn(a_batch(number))
        slept(one)
        one.learn(a_batch(20))
    assert everything(again) == everything(learner)


@pytest.mark.parametrize(("share", "steps"), [(0.4, 2), (0.9, 4), (0.001, 1), (1.0, SLEEP_STEPS)])
def test_a_shorter_sleep_takes_its_share_of_the_steps_also_after_a_restart(share: float, steps: int) -> None:
    learner = with_replay()
    for number in range(8):
        learner.learn(a_batch(number))
    learner.begin_consolidation(share=share)
    learner.consolidate(1)
    again = restarted(learner, with_replay())
    results = [one.consolidate(1_000) for one in (learner, again)]
    assert results[0] is not None
    assert results[0].steps == steps
    assert results[0] == results[1]
    assert everything(again) == everything(learner)
    assert "consolidation_share" not in learner.facts()


@pytest.mark.parametrize("steps", [0, 2, SLEEP_STEPS])
def test_a_restart_in_mid_sleep_comes_to_the_same_result_and_bits(steps: int) -> None:
    learner = with_replay()
    for number in range(8):
        learner.learn(a_batch(number))
    learner.begin_consolidation()
    learner.consolidate(steps)
    learner.learn(a_batch(8))
    again = restarted(learner, with_replay())
    assert again.asleep
    assert everything(again) == everything(learner)
    results = []
    for one in (learner, again):
        one.learn(a_batch(9))
        results.append(one.consolidate(1_000))
        one.learn(a_batch(10))
    assert results[0] is not None
    assert results[0].steps == SLEEP_STEPS
    assert results[0] == results[1]
    assert everything(again) == everything(learner)


@pytest.mark.parametrize("arm", METHODS)
def test_every_method_restarted_awake_and_in_mid_sleep_continues_to_the_same_bits(arm: str) -> None:
    learner = with_replay(arm)
    for number in range(6):
        learner.learn(a_batch(number))
    slept(learner)
    learner.begin_consolidation()
    learner.consolidate(1)
    learner.learn(a_batch(6))
    again = restarted(learner, with_replay(arm))
    results = []
    for one in (learner, again):
        one.learn(a_batch(7))
        results.append(one.consolidate(10_000) if one.asleep else None)
        one.learn(a_batch(8))
    assert results[0] == results[1]
    assert everything(again) == everything(learner)


def test_what_a_checkpoint_holds_does_not_change_while_the_sleep_goes_on() -> None:
    learner = with_replay()
    for number in range(6):
        learner.learn(a_batch(number))
    learner.begin_consolidation()
    held = {name: exactly(tensor) for name, tensor in learner.tensors()["consolidation"].items()}
    learner.consolidate(3)
    learner.learn(a_batch(6))
    assert {name: exactly(tensor) for name, tensor in learner.tensors()["consolidation"].items()} == held


def test_facts_are_json_and_the_counters_come_back() -> None:
    learner = prepared(retains=2)
    slept(learner)
    again = restarted(learner, with_oracle(retains=2))
    assert again.progress == learner.progress
    assert again.labels.state() == ["0", "1", "2", "3"]
    assert again.readout == learner.readout
    assert again.exam_accuracy == learner.exam_accuracy
    assert again.version == learner.version


def test_what_sleep_taught_is_refused_where_its_weights_are_not_finite() -> None:
    learner = with_replay()
    for number in range(4):
        learner.learn(a_batch(number))
    learner.begin_consolidation()
    assert learner.consolidate(1) is None
    assert learner.consolidation is not None
    with torch.no_grad():
        next(learner.consolidation.candidate.neocortex.parameters()).fill_(torch.nan)
    result = learner.consolidate(1_000)
    assert result is not None and not result.adopted
    assert all(weights.isfinite().all() for weights in learner.method.neocortex.parameters())
    assert learner.progress.version == 0
