"""The intake cuts the same batches from the same stream, however it arrives."""

from __future__ import annotations

import pytest

from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.intake import Intake
from tests.support.intakes import (
    BATCH,
    Clock,
    Dripping,
    an_intake,
    everything,
    first_pixels,
    garbage,
    message,
    tombstone,
)

# cutting


@pytest.mark.parametrize("drops", [[100], [1], [3], [0, 2, 0, 0, 1], [7, 1]])
def test_batches_are_cut_by_count_whatever_the_polls_bring(drops: list[int]) -> None:
    messages = [garbage(i) if i in (1, 9) else tombstone(i) if i == 6 else message(i) for i in range(14)]
    batches = everything(an_intake(Dripping(messages, drops=drops)))
    assert first_pixels(batches) == [[0, 2, 3], [4, 5, 7], [8, 10, 11], [12, 13]]
    assert [taken.messages for taken in batches] == [4, 4, 4, 2]


def test_the_position_is_the_one_after_the_last_message_of_the_batch() -> None:
    batches = everything(an_intake(Dripping([message(i) for i in range(10)], drops=[3])))
    assert [taken.position for taken in batches] == [{"index": 4}, {"index": 8}, {"index": 10}]


def test_a_replay_from_any_position_cuts_the_same_batches() -> None:
    messages = [message(i) for i in range(18)]
    whole = everything(an_intake(MemorySource(messages)))
    again = an_intake(source := Dripping(messages, drops=[3, 2]))
    source.open(whole[1].position)
    assert first_pixels(everything(again)) == first_pixels(whole)[2:]


def test_a_batch_waits_for_its_last_message() -> None:
    intake = an_intake(source := MemorySource([message(i) for i in range(3)], finite=False))
    assert intake.next_batch(timeout_s=0.0) is None
    source.append(message(3))
    taken = intake.next_batch(timeout_s=0.0)
    assert taken is not None
    assert len(taken.batch) == 4


def test_messages_that_wait_are_not_asked_for_again() -> None:
    intake = an_intake(MemorySource([message(i) for i in range(3)], finite=False))
    assert intake.next_batch(timeout_s=0.0) is None
    assert intake.next_batch(timeout_s=0.0) is None
    assert len(intake.source.poll(10, 0.0)) == 0


# lingering


def lingering() -> tuple[Intake, MemorySource, Clock]:
    source, clock = MemorySource([message(0), message(1)], finite=False), Clock()
    intake = an_intake(source, clock=clock)
    assert intake.next_batch(timeout_s=0.0) is None
    return intake, source, clock


def test_fewer_are_taken_once_nothing_came_for_a_while() -> None:
    intake, _, clock = lingering()
    clock.now_s += 1.99
    assert intake.next_batch(timeout_s=0.0) is None
    clock.now_s += 0.02
    taken = intake.next_batch(timeout_s=0.0)
    assert taken is not None
    assert (len(taken.batch), taken.position) == (2, {"index": 2})
    assert intake.next_batch(timeout_s=0.0) is None


def test_every_arrival_starts_the_wait_anew() -> None:
    intake, source, clock = lingering()
    clock.now_s += 1.5
    source.append(message(2))
    assert intake.next_batch(timeout_s=0.0) is None
    clock.now_s += 1.5
    assert intake.next_batch(timeout_s=0.0) is None
    clock.now_s += 0.6
    assert intake.next_batch(timeout_s=0.0) is not None


def test_a_lost_broker_is_no_reason_to_take_fewer() -> None:
    intake, source, clock = lingering()
    source.outage = True
    clock.now_s += 60.0
    assert not intake.idle
    assert intake.next_batch(timeout_s=0.0) is None
    source.outage = False
    assert intake.next_batch(timeout_s=0.0) is not None


def test_a_backlog_that_is_slow_to_come_is_no_reason_to_take_fewer() -> None:
    source, clock = Dripping([message(i) for i in range(9)], drops=[2, 0, 0, 0], finite=False), Clock()
    intake = an_intake(source, clock=clock)
    sizes = []
    for _ in range(40):
        taken = intake.next_batch(timeout_s=0.0)
        clock.now_s += 5.0
        sizes += [len(taken.batch)] if taken else []
    assert sizes == [4, 4, 1]


def test_a_finite_source_gives_its_rest_at_once_and_is_then_finished() -> None:
    intake = an_intake(MemorySource([message(i) for i in range(5)]))
    assert intake.next_batch(timeout_s=0.0) is not None
    assert not intake.finished
    rest = intake.next_batch(timeout_s=0.0)
    assert rest is not None
    assert len(rest.batch) == 1
    assert intake.finished
    assert intake.next_batch(timeout_s=0.0) is None


def test_an_endless_source_is_never_finished() -> None:
    intake, _, clock = lingering()
    clock.now_s += 60.0
    intake.next_batch(timeout_s=0.0)
    assert intake.idle
    assert not intake.finished


@pytest.mark.parametrize("finite", [True, False])
def test_an_intake_that_holds_a_batch_is_not_idle_however_long_that_waits(finite: bool) -> None:
    """As it may, for a sleep: whose steps are then to come in their turn, or no run could be repeated."""
    clock = Clock()
    intake = an_intake(MemorySource([message(n) for n in range(BATCH)], finite=finite), clock=clock)
    assert intake.ready(timeout_s=0.0)
    clock.now_s += 3_600
    assert not intake.idle
    intake.cut()
    assert intake.idle
