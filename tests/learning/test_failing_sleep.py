"""A sleep whose method fails is given up: what was learned awake stays, and the stream goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from streamlearner.errors import StreamlearnerError
from streamlearner.learning.learner import Learner
from streamlearner.methods.base import DualMemory
from tests.support.arms import exactly
from tests.support.learners import SLEEP_STEPS, Oracle, of_classes, prepared, restarted, slept, with_oracle

FAILED = "MemoryError: no room for the step"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def fails_after(monkeypatch: pytest.MonkeyPatch, steps: int, error: Exception | None = None) -> None:
    consolidate = Oracle.consolidate

    def failing(self: Oracle, candidate: Oracle) -> Iterator[None]:
        for done, step in enumerate(consolidate(self, candidate)):
            if done == steps:
                raise error or MemoryError("no room for the step")
            yield step

    monkeypatch.setattr(Oracle, "consolidate", failing)


def weights(learner: Learner) -> dict[str, Any]:
    return {name: exactly(tensor) for name, tensor in learner.method.state_dict().items()}


def test_a_step_that_fails_is_the_last_and_nothing_of_the_sleep_is_adopted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails_after(monkeypatch, 2)
    learner = prepared(retains=4)
    before = weights(learner)
    result = slept(learner)
    assert (result.adopted, result.steps, result.failed) == (False, 2, FAILED)
    assert weights(learner) == before
    assert not learner.asleep
    assert (learner.progress.adopted, learner.progress.refused, learner.progress.version) == (0, 1, 0)
    assert learner.last_sleep is not None and learner.last_sleep["failed"] == FAILED
    learner.learn(of_classes(["0", "1"]))  # and the next sleep may be another
    monkeypatch.undo()
    assert slept(learner).adopted


def test_a_step_that_fails_when_a_restart_takes_it_again_blames_no_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner = prepared(retains=4)
    learner.begin_consolidation()
    assert learner.consolidate(3) is None
    fails_after(monkeypatch, 1)
    again = restarted(learner, with_oracle())
    again.learn(of_classes(["0", "1"]))
    result = again.consolidate(1_000)
    assert result is not None and (result.adopted, result.failed) == (False, FAILED)


def test_a_step_that_failed_ahead_of_its_turn_is_known_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails_after(monkeypatch, 2)
    learner = prepared(retains=4)
    learner.begin_consolidation()
    learner.teach_ahead()
    monkeypatch.undo()
    for one in (restarted(learner, with_oracle()), learner):
        result = one.consolidate(1_000)
        assert result is not None and (result.adopted, result.steps, result.failed) == (False, 2, FAILED)


def test_what_cannot_be_adopted_is_tried_on_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def adopt(self: Oracle, candidate: DualMemory) -> None:
        self.hippocampus.known.fill_(0)
        raise RuntimeError("shapes do not agree")

    monkeypatch.setattr(Oracle, "adopt", adopt)
    learner = prepared(retains=4)
    before = weights(learner)
    result = slept(learner)
    assert (result.adopted, result.steps) == (False, SLEEP_STEPS)
    assert result.failed == "RuntimeError: shapes do not agree"
    assert weights(learner) == before


def test_what_is_for_a_person_to_mend_still_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_after(monkeypatch, 1, StreamlearnerError("the file is gone"))
    with pytest.raises(StreamlearnerError, match="the file is gone"):
        slept(prepared(retains=4))
