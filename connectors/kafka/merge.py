"""The order across partitions: the record with the smallest timestamp among those fetched. No Kafka in here.

The rule (Kafka Streams' too): take the smallest timestamp among the heads of the partitions, ties by
partition, then offset; wait for a partition that has records not yet fetched, never for one that is empty.
Taking only ever looks at heads, so the next offsets are its whole state: over a complete backlog the order is
the same wherever the polls, fetches and restarts fall.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Record(Protocol):
    """What this package reads of a fetched record: part of kafka-python's `ConsumerRecord`."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def leader_epoch(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> list[tuple[str, Any]]: ...


@dataclass(slots=True)
class Lane:
    """One partition: the records fetched from it and not yet taken, and how far it is known to reach.

    `next_fetch` is the offset the next fetch asks for; `end` is the offset after its last readable record, as
    the broker said at `end_known_s` (seconds of the caller's clock).
    """

    partition: int
    next_fetch: int
    end: int | None = None
    end_known_s: float = -math.inf
    awaited_since_s: float | None = None
    records: deque[Record] = field(default_factory=deque)

    @property
    def next_offset(self) -> int:
        """The offset that follows the last record taken: of the first one held, else of the next fetch.

        Never last + 1: transaction markers and compaction leave holes that no record will ever fill.
        """
        return self.records[0].offset if self.records else self.next_fetch

    @property
    def lag(self) -> int | None:
        """Offsets still to be taken; None while the end is unknown."""
        return None if self.end is None else max(0, self.end - self.next_offset)

    @property
    def unfetched(self) -> bool:
        """True where the broker is known to hold more than was fetched."""
        return self.end is not None and self.next_fetch < self.end


class Merge:
    """Lanes and the order in which their records are taken.

    `wait_s` bounds how long an empty lane that is not known to be at its end holds up the others; `fresh_s`
    is how long an end offset counts as known. Used from one thread.
    """

    def __init__(self, *, wait_s: float, fresh_s: float) -> None:
        self._wait_s = wait_s
        self._fresh_s = fresh_s
        self._lanes: dict[int, Lane] = {}
        self._empty: dict[int, Lane] = {}
        self._heads: list[tuple[int, int]] = []  # (timestamp, partition) of each lane that holds records
        self.not_awaited: set[int] = set()  # partitions that were waited for long enough

    def add(self, partition: int, next_fetch: int) -> None:
        """A new partition, to be read from `next_fetch`."""
        self._lanes[partition] = self._empty[partition] = Lane(partition=partition, next_fetch=next_fetch)

    @property
    def lanes(self) -> Mapping[int, Lane]:
        return self._lanes

    def catching_up(self) -> Iterator[Lane]:
        """The lanes that hold nothing though their partition has records: the next fetch must bring some."""
        return (lane for lane in self._empty.values() if lane.unfetched)

    def backlog(self) -> bool:
        """True where the broker is known to hold records that were not fetched."""
        return any(lane.unfetched for lane in self._lanes.values())

    def put(self, partition: int, records: list[Record]) -> None:
        """Records of one fetch, in offset order."""
        lane = self._lanes[partition]
        records = [r for r in records if r.offset >= lane.next_fetch]
        if not records:
            return
        if not lane.records:
            del self._empty[partition]
            lane.awaited_since_s = None
            self.not_awaited.discard(partition)
            heapq.heappush(self._heads, (records[0].timestamp, partition))
        lane.records.extend(records)
        lane.next_fetch = records[-1].offset + 1

    def drop(self) -> None:
        """Forgets everything fetched and not taken."""
        for lane in self._lanes.values():
            lane.next_fetch = lane.next_offset
            lane.records.clear()
        self._empty = dict(self._lanes)
        self._heads.clear()

    def learn_ends(self, ends: Mapping[int, int], now_s: float) -> None:
        """What the broker said at `now_s`: the offset after the last readable record, for each partition."""
        for partition, end in ends.items():
            lane = self._lanes.get(partition)
            if lane is not None:
                lane.end, lane.end_known_s = end, now_s

    def take(self, count: int, now_s: float, *, heard: bool) -> list[Record]:
        """At most `count` next records; fewer where a lane must be waited for or all are empty.

        `heard` says that the broker answers: the bound on waiting does not run while it is away.
        """
        if len(self._lanes) == 1:
            return self._take_only(count)
        taken: list[Record] = []
        if not self._heads or self._held_up(self._empty.values(), now_s, heard):
            return taken
        while self._heads and len(taken) < count:
            lane = self._lanes[self._heads[0][1]]
            taken.append(lane.records.popleft())
            if lane.records:
                heapq.heapreplace(self._heads, (lane.records[0].timestamp, lane.partition))
                continue
            heapq.heappop(self._heads)
            self._empty[lane.partition] = lane
            if self._held_up((lane,), now_s, heard):
                break
        return taken

    def _take_only(self, count: int) -> list[Record]:
        (lane,) = self._lanes.values()
        records = lane.records
        if not records:
            return []
        pop: Callable[[], Record] = records.popleft
        taken = [pop() for _ in range(min(count, len(records)))]
        if not records:
            self._empty[lane.partition] = lane
            self._heads.clear()
        else:
            self._heads[0] = (records[0].timestamp, lane.partition)
        return taken

    def _held_up(self, empty: Iterable[Lane], now_s: float, heard: bool) -> bool:
        return any([self._must_wait(lane, now_s, heard) for lane in empty])

    def _must_wait(self, lane: Lane, now_s: float, heard: bool) -> bool:
        """An empty lane is passed over only where it is freshly known to be at its end, or after `wait_s`."""
        if not lane.unfetched and now_s - lane.end_known_s <= self._fresh_s:
            lane.awaited_since_s = None
            self.not_awaited.discard(lane.partition)
            return False
        if lane.awaited_since_s is None or not heard:
            lane.awaited_since_s = now_s
        if now_s - lane.awaited_since_s < self._wait_s:
            return True
        self.not_awaited.add(lane.partition)
        return False
