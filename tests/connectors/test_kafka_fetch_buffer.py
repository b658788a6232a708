"""What the Kafka source does after each kind of failure of its consumer, over a fake broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import CorruptRecordError, KafkaConnectionError, OffsetOutOfRangeError

from streamlearner.connectors.kafka.fetch import Fetch, broken_batch
from streamlearner.connectors.kafka.fetch_buffer import FetchBuffer
from streamlearner.connectors.kafka.gaps import Gaps
from streamlearner.connectors.kafka.merge import Merge
from streamlearner.connectors.kafka.metadata import TopicMetadata
from streamlearner.connectors.kafka.watchdog import Watchdog
from streamlearner.errors import PositionLost, SourceError


@dataclass
class Fetched:
    partition: int
    offset: int
    timestamp: int = 0
    topic: str = "t"
    leader_epoch: int = 0
    key: bytes | None = None
    value: bytes | None = b"v"
    headers: list[tuple[str, Any]] = field(default_factory=list)


@dataclass
class FakeBroker:
    """Partition 0 of topic t; `fail` says what a poll from an offset raises. Builds its consumers."""

    begin: int = 0
    end: int = 20
    fail: Callable[[int], None] = lambda offset: None
    built: list[int] = field(default_factory=list)  # the offset that each consumer started from
    closed: int = 0

    def build(self, **options: Any) -> FakeConsumer:
        return FakeConsumer(self)


class FakeConsumer:
    def __init__(self, broker: FakeBroker) -> None:
        self.config = {"api_version": (4, 0)}
        self.broker = broker
        self.offset = -1
        self.alive = True

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert partitions == [TopicPartition("t", 0)]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.broker.built.append(offset)
        self.offset = offset

    def position(self, partition: TopicPartition, timeout_ms: int) -> int:
        return self.offset

    def poll(self, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, list[Fetched]]:
        assert self.alive, "a consumer that raised must never be polled again"
        try:
            self.broker.fail(self.offset)
        except Exception:
            self.alive = False
            raise
        last = min(self.broker.end, self.offset + min(max_records, 4))
        records = [Fetched(0, offset) for offset in range(self.offset, last)]
        self.offset = last
        return {TopicPartition("t", 0): records} if records else {}

    def close(self, autocommit: bool, timeout_ms: int) -> None:
        self.broker.closed += 1


@dataclass
class Rig:
    """A buffer over a fake broker, with a clock that moves only when told to."""

    broker: FakeBroker
    gaps: Gaps
    start: int = 0
    now_s: float = 100.0

    def __post_init__(self) -> None:
        self.merge = Merge(wait_s=10.0, fresh_s=5.0)
        fetch = Fetch(topic="t", options={}, watchdog=Watchdog(limit_s=60.0), build=self.broker.build)
        self.buffer = FetchBuffer(
            topic="t",
            merge=self.merge,
            fetch=fetch,
            gaps=self.gaps,
            records_per_fetch=100,
            clock=lambda: self.now_s,
            sleep=lambda seconds: None,
        )
        self.buffer.admit(0, self.start)

    def run(self, steps: int = 12) -> list[int]:
        """The offsets taken in some refills, a second apart, each with a fresh answer of the broker."""
        taken: list[int] = []
        for _ in range(steps):
            answer = TopicMetadata(
                self.now_s, "id", frozenset({0}), {0: self.broker.begin}, {0: self.broker.end}
            )
            self.merge.learn_ends(answer.ends, self.now_s)
            self.buffer.refill(0.1, answer)
            taken += [record.offset for record in self.merge.take(100, self.now_s, heard=True)]
            self.now_s += 1.0
        return taken


def unpack(error: Exception, first: int, following: int) -> None:
    """Raises as the library does while it unpacks: from a frame that holds the batch and its partition."""

    @dataclass
    class Batch:
        base_offset: int
        next_offset: int

    batch, tp = Batch(first, following), TopicPartition("t", 0)
    assert batch and tp
    raise error


def corrupt_at(offset: int) -> None:
    if 8 <= offset < 12:
        unpack(CorruptRecordError("bad crc"), 8, 12)


def out_of_range_below(begin: int, beyond: int = 10**6) -> Callable[[int], None]:
    def fail(offset: int) -> None:
        if offset < begin or offset > beyond:
            raise OffsetOutOfRangeError({TopicPartition("t", 0): offset})

    return fail


def test_after_any_exception_a_new_consumer_goes_on_behind_what_was_fetched() -> None:
    failures = iter([KafkaConnectionError("gone"), ValueError("odd")])

    def fail(offset: int) -> None:
        if offset == 8 and (error := next(failures, None)):
            raise error

    rig = Rig(FakeBroker(fail=fail), Gaps(topic="t", on_gap="stop"))
    assert rig.run() == list(range(20))
    assert rig.broker.built == [0, 8, 8]
    assert rig.broker.closed == 2


def test_a_corrupt_batch_is_skipped_to_its_very_end_and_counted() -> None:
    rig = Rig(FakeBroker(fail=corrupt_at), Gaps(topic="t", on_gap="skip"))
    assert rig.run() == [*range(8), *range(12, 20)]
    assert rig.gaps.count == 4


def test_a_corrupt_batch_stops_behind_everything_that_was_read_before_it() -> None:
    rig = Rig(FakeBroker(fail=corrupt_at), Gaps(topic="t", on_gap="stop"))
    assert rig.run() == list(range(8))
    assert isinstance(rig.buffer.failure, SourceError)
    assert "t[0]@8: offsets 8 to 11 cannot be read" in str(rig.buffer.failure)


def test_a_batch_that_cannot_be_located_stops_even_where_gaps_are_skipped() -> None:
    with pytest.raises(SourceError, match="could not be located"):
        Gaps(topic="t", on_gap="skip").unreadable(0, 8, None, CorruptRecordError("bad crc"))
    assert broken_batch(CorruptRecordError("never raised")) is None


def test_retention_is_told_from_truncation_by_the_brokers_next_answer() -> None:
    rig = Rig(FakeBroker(begin=13, fail=out_of_range_below(13)), Gaps(topic="t", on_gap="skip"))
    assert rig.run() == list(range(13, 20))
    assert rig.gaps.count == 13
    stopping = Rig(FakeBroker(begin=13, fail=out_of_range_below(13)), Gaps(topic="t", on_gap="stop"))
    assert stopping.run() == []
    assert "next offset 0" in str(stopping.buffer.failure)


def test_a_position_beyond_the_end_is_given_time_to_settle_and_then_refused_under_any_policy() -> None:
    rig = Rig(
        FakeBroker(end=5, fail=out_of_range_below(0, beyond=5)), Gaps(topic="t", on_gap="skip"), start=9
    )
    assert rig.run(steps=3) == []
    assert rig.buffer.failure is None
    assert rig.run(steps=3) == []
    assert isinstance(rig.buffer.failure, PositionLost)
    assert "position 9 is beyond the end 5" in str(rig.buffer.failure)


def test_a_fetch_that_brings_nothing_of_what_exists_gets_a_new_consumer() -> None:
    rig = Rig(FakeBroker(end=5), Gaps(topic="t", on_gap="stop"))
    rig.run(steps=3)
    rig.broker.end = 3  # the fake gives nothing behind 5, while the answers say 9
    for _ in range(40):
        rig.merge.learn_ends({0: 9}, rig.now_s)
        rig.buffer.refill(0.1, None)
        rig.now_s += 1.0
    assert rig.broker.built == [0, 5]
