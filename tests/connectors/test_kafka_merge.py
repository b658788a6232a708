"""The order across partitions, wherever fetches, polls and restarts fall."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streamlearner.connectors.kafka.merge import Merge


@dataclass(frozen=True)
class Fetched:
    partition: int
    offset: int
    timestamp: int
    topic: str = "t"
    leader_epoch: int = 0
    key: bytes | None = None
    value: bytes | None = b""
    headers: list[tuple[str, Any]] = field(default_factory=list, hash=False)


Name = tuple[int, int]


def backlog(stamps: list[list[int]]) -> dict[int, list[Fetched]]:
    """Records at every second offset, as a compacted or transactional topic has them."""
    return {p: [Fetched(p, 2 * i, t) for i, t in enumerate(row)] for p, row in enumerate(stamps)}


def due(records: dict[int, list[Fetched]]) -> list[Name]:
    """The rule written out: smallest (timestamp, partition) among the heads, again and again."""
    left = {p: list(row) for p, row in records.items()}
    order = []
    while any(left.values()):
        _, partition = min((row[0].timestamp, p) for p, row in left.items() if row)
        record = left[partition].pop(0)
        order.append((partition, record.offset))
    return order


def merge_at(records: dict[int, list[Fetched]], offsets: dict[int, int]) -> Merge:
    merge = Merge(wait_s=60.0, fresh_s=5.0)
    for partition, offset in offsets.items():
        merge.add(partition, offset)
    merge.learn_ends({p: row[-1].offset + 1 if row else 0 for p, row in records.items()}, now_s=0.0)
    return merge


def feed(merge: Merge, records: dict[int, list[Fetched]], partition: int, count: int) -> None:
    queue = merge.queues[partition]
    merge.put(partition, [r for r in records[partition] if r.offset >= queue.next_fetch][:count])


STAMPS = st.lists(st.lists(st.integers(0, 12), max_size=14), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(stamps=STAMPS, data=st.data())
def test_a_complete_backlog_has_one_order_whatever_the_fetches_the_polls_and_the_restarts(
    stamps: list[list[int]], data: st.DataObject
) -> None:
    records = backlog(stamps)
    merge = merge_at(records, dict.fromkeys(records, 0))
    taken: list[Name] = []
    total = sum(len(row) for row in stamps)
    while len(taken) < total:
        step = data.draw(st.sampled_from(["fetch", "fetch", "take", "restart"]))
        if step == "fetch":
            partition = data.draw(st.sampled_from(sorted(records)))
            feed(merge, records, partition, data.draw(st.integers(1, 5)))
            feed(merge, records, min(records, key=lambda p: len(merge.queues[p].records)), 1)
        elif step == "take":
            got = merge.take(data.draw(st.integers(1, 7)), now_s=1.0, heard=True)
            taken += [(r.partition, r.offset) for r in got]
        else:
            merge = merge_at(records, {p: queue.next_offset for p, queue in merge.queues.items()})
        if data.draw(st.integers(0, 9)) == 0:
            for partition in records:
                feed(merge, records, partition, 100)
            taken += [(r.partition, r.offset) for r in merge.take(total, now_s=1.0, heard=True)]
    assert taken == due(records)


def two_lanes(**settings: float) -> Merge:
    merge = Merge(**({"wait_s": 10.0, "fresh_s": 5.0} | settings))
    merge.add(0, 0)
    merge.add(1, 0)
    merge.put(0, [Fetched(0, i, 100 + i) for i in range(3)])
    return merge


def test_a_partition_with_records_not_yet_fetched_is_waited_for() -> None:
    merge = two_lanes()
    merge.learn_ends({0: 3, 1: 1}, now_s=0.0)
    assert merge.take(3, now_s=1.0, heard=True) == []
    merge.put(1, [Fetched(1, 0, 50)])
    assert [r.partition for r in merge.take(4, now_s=1.0, heard=True)] == [1, 0, 0, 0]


def test_an_empty_partition_is_never_waited_for() -> None:
    merge = two_lanes()
    merge.learn_ends({0: 3, 1: 0}, now_s=0.0)
    assert len(merge.take(3, now_s=1.0, heard=True)) == 3


def test_an_end_heard_long_ago_does_not_prove_a_partition_empty() -> None:
    merge = two_lanes()
    merge.learn_ends({0: 3, 1: 0}, now_s=0.0)
    assert merge.take(3, now_s=6.0, heard=True) == []
    merge.learn_ends({0: 3, 1: 0}, now_s=6.0)
    assert len(merge.take(3, now_s=6.0, heard=True)) == 3


def test_waiting_is_bounded_and_named_but_not_while_the_broker_is_away() -> None:
    merge = two_lanes()
    merge.learn_ends({0: 3, 1: 7}, now_s=0.0)
    assert merge.take(1, now_s=0.0, heard=True) == []
    assert merge.take(1, now_s=9.0, heard=False) == []
    assert merge.take(1, now_s=18.0, heard=True) == []
    assert merge.not_awaited == set()
    assert len(merge.take(1, now_s=20.0, heard=True)) == 1
    assert merge.not_awaited == {1}
    merge.put(1, [Fetched(1, 0, 1)])
    assert merge.not_awaited == set()


def test_only_markers_left_are_no_lag_once_the_fetch_is_past_them() -> None:
    merge = two_lanes()
    merge.learn_ends({0: 5, 1: 0}, now_s=0.0)
    assert len(merge.take(3, now_s=0.0, heard=True)) == 3
    queue = merge.queues[0]
    assert (queue.lag, [late.partition for late in merge.catching_up()]) == (2, [0])
    queue.next_fetch = 5  # what the consumer's position says after two markers
    assert (queue.lag, queue.next_offset, merge.backlog()) == (0, 5, False)


def test_the_next_offset_follows_what_was_taken_not_what_was_fetched() -> None:
    merge = two_lanes()
    merge.learn_ends({0: 3, 1: 0}, now_s=0.0)
    merge.take(1, now_s=0.0, heard=True)
    assert merge.queues[0].next_offset == 1
    merge.drop()
    assert (merge.queues[0].next_fetch, merge.take(3, now_s=0.0, heard=True)) == (1, [])


def test_records_below_the_fetch_offset_are_not_given_twice() -> None:
    merge = two_lanes()
    merge.put(0, [Fetched(0, i, 100 + i) for i in range(5)])
    assert [r.offset for r in merge.queues[0].records] == [0, 1, 2, 3, 4]


def test_one_partition_alone_needs_no_end_to_be_known() -> None:
    merge = Merge(wait_s=10.0, fresh_s=5.0)
    merge.add(0, 0)
    merge.put(0, [Fetched(0, i, 9 - i) for i in range(4)])
    assert [r.offset for r in merge.take(3, now_s=0.0, heard=False)] == [0, 1, 2]
    assert merge.queues[0].lag is None
    merge.add(1, 0)
    merge.learn_ends({0: 4, 1: 1}, now_s=0.0)
    merge.put(1, [Fetched(1, 0, 3)])
    assert [(r.partition, r.offset) for r in merge.take(3, now_s=0.0, heard=True)] == [(1, 0), (0, 3)]
