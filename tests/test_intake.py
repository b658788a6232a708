"""The intake cuts the same batches from the same stream, however the world sends it, and learns nothing twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from connectors.memory import MemorySource
from streamlearner.codec import Codec, encode_raw
from streamlearner.intake import Delivery, Intake, RememberedIds
from streamlearner.stream import Message, Reject

BATCH = 4


class Box:
    """Dead letters in a list."""

    def __init__(self) -> None:
        self.rejects: list[Reject] = []

    def write(self, rejects: Sequence[Reject]) -> None:
        self.rejects += rejects


class Clock:
    """Shows what it is told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Dripping(MemorySource):
    """A memory source whose polls bring at most so many messages each, again and again in this order."""

    def __init__(self, messages: Sequence[Message], *, drops: Sequence[int], finite: bool = True) -> None:
        super().__init__(messages, finite=finite)
        self.drops = list(drops)
        self.polls = 0

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        drop = self.drops[self.polls % len(self.drops)]
        self.polls += 1
        return super().poll(min(max_messages, drop), 0.0) if drop else []


def message(offset: int, *, id: str | None = None) -> Message:
    value, headers = encode_raw(np.full((2, 2), offset % 256, np.uint8), label=offset % 3, id=id)
    return Message(value, "memory", 0, offset, headers=headers)


def garbage(offset: int) -> Message:
    return Message(b"?", "memory", 0, offset, headers=(("label", b"1"), ("shape", b"2,2")))


def tombstone(offset: int) -> Message:
    return Message(None, "memory", 0, offset)


def an_intake(source: MemorySource, *, clock: Clock | None = None, remembered_ids: int = 100) -> Intake:
    source.open(None)
    return Intake(
        source=source,
        codec=Codec(),
        dead_letters=Box(),
        batch_size=BATCH,
        linger_s=2.0,
        remembered_ids=remembered_ids,
        clock=clock or Clock(),
    )


def everything(intake: Intake) -> list[Delivery]:
    """Until the source is at its end."""
    deliveries = []
    for _ in range(10_000):
        delivery = intake.take(timeout_s=0.0)
        if delivery is not None:
            deliveries.append(delivery)
        elif intake.finished:
            return deliveries
    raise AssertionError("the intake never finished")


def first_pixels(deliveries: Sequence[Delivery]) -> list[list[int]]:
    return [delivery.batch.inputs[:, 0, 0, 0].tolist() for delivery in deliveries]


# cutting


@pytest.mark.parametrize("drops", [[100], [1], [3], [0, 2, 0, 0, 1], [7, 1]])
def test_batches_are_cut_by_count_whatever_the_polls_bring(drops: list[int]) -> None:
    messages = [garbage(i) if i in (1, 9) else tombstone(i) if i == 6 else message(i) for i in range(14)]
    deliveries = everything(an_intake(Dripping(messages, drops=drops)))
    assert first_pixels(deliveries) == [[0, 2, 3], [4, 5, 7], [8, 10, 11], [12, 13]]
    assert [delivery.messages for delivery in deliveries] == [4, 4, 4, 2]


def test_the_position_is_the_one_after_the_last_message_of_the_batch() -> None:
    deliveries = everything(an_intake(Dripping([message(i) for i in range(10)], drops=[3])))
    assert [delivery.position for delivery in deliveries] == [{"index": 4}, {"index": 8}, {"index": 10}]


def test_a_replay_from_any_position_cuts_the_same_batches() -> None:
    messages = [message(i) for i in range(18)]
    whole = everything(an_intake(MemorySource(messages)))
    again = an_intake(source := Dripping(messages, drops=[3, 2]))
    source.open(whole[1].position)
    assert first_pixels(everything(again)) == first_pixels(whole)[2:]


def test_a_batch_waits_for_its_last_message() -> None:
    intake = an_intake(source := MemorySource([message(i) for i in range(3)], finite=False))
    assert intake.take(timeout_s=0.0) is None
    source.append(message(3))
    delivery = intake.take(timeout_s=0.0)
    assert delivery is not None
    assert len(delivery.batch) == 4


def test_messages_that_wait_are_not_asked_for_again() -> None:
    intake = an_intake(MemorySource([message(i) for i in range(3)], finite=False))
    assert intake.take(timeout_s=0.0) is None
    assert intake.take(timeout_s=0.0) is None
    assert len(intake.source.poll(10, 0.0)) == 0


# lingering


def lingering() -> tuple[Intake, MemorySource, Clock]:
    source, clock = MemorySource([message(0), message(1)], finite=False), Clock()
    intake = an_intake(source, clock=clock)
    assert intake.take(timeout_s=0.0) is None
    return intake, source, clock


def test_fewer_are_taken_once_nothing_came_for_a_while() -> None:
    intake, _, clock = lingering()
    clock.now_s += 1.99
    assert intake.take(timeout_s=0.0) is None
    clock.now_s += 0.02
    delivery = intake.take(timeout_s=0.0)
    assert delivery is not None
    assert (len(delivery.batch), delivery.position) == (2, {"index": 2})
    assert intake.take(timeout_s=0.0) is None


def test_every_arrival_starts_the_wait_anew() -> None:
    intake, source, clock = lingering()
    clock.now_s += 1.5
    source.append(message(2))
    assert intake.take(timeout_s=0.0) is None
    clock.now_s += 1.5
    assert intake.take(timeout_s=0.0) is None
    clock.now_s += 0.6
    assert intake.take(timeout_s=0.0) is not None


def test_a_lost_broker_is_no_reason_to_take_fewer() -> None:
    intake, source, clock = lingering()
    source.outage = True
    clock.now_s += 60.0
    assert not intake.idle
    assert intake.take(timeout_s=0.0) is None
    source.outage = False
    assert intake.take(timeout_s=0.0) is not None


def test_a_backlog_that_is_slow_to_come_is_no_reason_to_take_fewer() -> None:
    source, clock = Dripping([message(i) for i in range(9)], drops=[2, 0, 0, 0], finite=False), Clock()
    intake = an_intake(source, clock=clock)
    sizes = []
    for _ in range(40):
        delivery = intake.take(timeout_s=0.0)
        clock.now_s += 5.0
        sizes += [len(delivery.batch)] if delivery else []
    assert sizes == [4, 4, 1]


def test_a_finite_source_gives_its_rest_at_once_and_is_then_finished() -> None:
    intake = an_intake(MemorySource([message(i) for i in range(5)]))
    assert intake.take(timeout_s=0.0) is not None
    assert not intake.finished
    rest = intake.take(timeout_s=0.0)
    assert rest is not None
    assert len(rest.batch) == 1
    assert intake.finished
    assert intake.take(timeout_s=0.0) is None


def test_an_endless_source_is_never_finished() -> None:
    intake, _, clock = lingering()
    clock.now_s += 60.0
    intake.take(timeout_s=0.0)
    assert intake.idle
    assert not intake.finished


# judging


def test_what_cannot_be_decoded_goes_to_the_dead_letters_and_is_counted_by_reason() -> None:
    intake = an_intake(MemorySource([message(0), garbage(1), garbage(2), message(3)]))
    (delivery,) = everything(intake)
    assert isinstance(intake.dead_letters, Box)
    assert [reject.message.offset for reject in intake.dead_letters.rejects] == [1, 2]
    (reason,) = {reject.reason for reject in intake.dead_letters.rejects}
    assert delivery.rejects == {reason: 2}
    assert (delivery.messages, len(delivery.batch), delivery.duplicates) == (4, 2, 0)


def test_a_tombstone_counts_as_a_message_and_nothing_else() -> None:
    intake = an_intake(MemorySource([tombstone(0), tombstone(1), message(2), tombstone(3)]))
    (delivery,) = everything(intake)
    assert isinstance(intake.dead_letters, Box)
    assert intake.dead_letters.rejects == []
    assert (delivery.messages, len(delivery.batch), delivery.rejects, delivery.duplicates) == (4, 1, {}, 0)


def test_an_id_seen_before_is_learned_once_in_the_same_batch_and_in_a_later_one() -> None:
    ids = ["a", "b", "a", None, "c", "b", None, "d"]
    deliveries = everything(an_intake(MemorySource([message(i, id=id) for i, id in enumerate(ids)])))
    assert first_pixels(deliveries) == [[0, 1, 3], [4, 6, 7]]
    assert [delivery.duplicates for delivery in deliveries] == [1, 1]
    assert deliveries[0].batch.ids == ("a", "b", None)


def test_an_id_older_than_the_window_is_forgotten() -> None:
    ids = ["a", "b", "c", "a", "c"]
    intake = an_intake(MemorySource([message(i, id=id) for i, id in enumerate(ids)]), remembered_ids=2)
    assert sum((first for first in first_pixels(everything(intake))), []) == [0, 1, 2, 3]


def test_no_window_means_no_duplicates() -> None:
    intake = an_intake(MemorySource([message(i, id="a") for i in range(4)]), remembered_ids=0)
    assert sum(delivery.duplicates for delivery in everything(intake)) == 0


def test_remembered_ids_survive_a_restart_and_a_smaller_window_keeps_the_newest() -> None:
    ids = RememberedIds(window=3)
    assert [ids.admit(name) for name in "abcd"] == [True] * 4
    same, smaller, none = RememberedIds(window=3), RememberedIds(window=1), RememberedIds(window=0)
    for restored in (same, smaller, none):
        restored.restore(ids.state())
    assert [same.admit(name) for name in "bcd"] == [False] * 3
    assert same.state().tolist() == ids.state().tolist()
    assert [smaller.admit(name) for name in "dcb"] == [False, True, True]
    assert len(none.state()) == 0


def test_remembered_ids_take_eight_bytes_each_and_stay_in_the_window() -> None:
    ids = RememberedIds(window=50)
    for number in range(500):
        ids.admit(f"example-{number}")
    assert ids.state().nbytes == 50 * 8
