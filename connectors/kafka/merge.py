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

from streamlearner.stream import Message


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


def message(record: Record) -> Message:
    headers = tuple((name, content or b"") for name, content in record.headers) if record.headers else ()
    return Message(
        record.value, record.topic, record.partition, record.offset, record.key, headers, record.timestamp
    )


@dataclass(slots=True)
class PartitionQueue:
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
    """The queues of the partitions, and the order in which their records are taken.

    `wait_s` bounds how long an empty queue that is not known to be at its end holds up the others; `fresh_s`
    is how long an end offset counts as known. Used from one thread.
    """

    def __init__(self, *, wait_s: float, fresh_s: float) -> None:
        self._wait_s = wait_s
        self._fresh_s = fresh_s
        self._queues: dict[int, PartitionQueue] = {}
        self._empty: dict[int, PartitionQueue] = {}
        self._heads: list[tuple[int, int]] = []  # (timestamp, partition) of each queue that holds records
        self.not_awaited: set[int] = set()  # partitions that were waited for long enough

    def add(self, partition: int, next_fetch: int) -> None:
        """A new partition, to be read from `next_fetch`."""
        self._queues[partition] = self._empty[partition] = PartitionQueue(
            partition=partition, next_fetch=next_fetch
        )

    @property
    def queues(self) -> Mapping[int, PartitionQueue]:
        return self._queues

    def catching_up(self) -> Iterator[PartitionQueue]:
        """The queues that hold nothing though their partition has records: the next fetch must bring some."""
        return (queue for queue in self._empty.values() if queue.unfetched)

    def backlog(self) -> bool:
        """True where the broker is known to hold records that were not fetched."""
        return any(queue.unfetched for queue in self._queues.values())

    def put(self, partition: int, records: list[Record]) -> None:
        """Records of one fetch, in offset order."""
        queue = self._queues[partition]
        records = [r for r in records if r.offset >= queue.next_fetch]
        if not records:
            return
        if not queue.records:
            del self._empty[partition]
            queue.awaited_since_s = None
            self.not_awaited.discard(partition)
            heapq.heappush(self._heads, (records[0].timestamp, partition))
        queue.records.extend(records)
        queue.next_fetch = records[-1].offset + 1

    def drop(self) -> None:
        """Forgets everything fetched and not taken."""
        for queue in self._queues.values():
            queue.next_fetch = queue.next_offset
            queue.records.clear()
        self._empty = dict(self._queues)
        self._heads.clear()

    def learn_ends(self, ends: Mapping[int, int], now_s: float) -> None:
        """What the broker said at `now_s`: the offset after the last readable record, for each partition."""
        for partition, end in ends.items():
            queue = self._queues.get(partition)
            if queue is not None:
                queue.end, queue.end_known_s = end, now_s

    def take(self, count: int, now_s: float, *, heard: bool) -> list[Record]:
        """At most `count` next records; fewer where a queue must be waited for or all are empty.

        `heard` says that the broker answers: the bound on waiting does not run while it is away.
        """
        if len(self._queues) == 1:
            return self._take_only(count)
        taken: list[Record] = []
        if not self._heads or self._held_up(self._empty.values(), now_s, heard):
            return taken
        while self._heads and len(taken) < count:
            queue = self._queues[self._heads[0][1]]
            taken.append(queue.records.popleft())
            if queue.records:
                heapq.heapreplace(self._heads, (queue.records[0].timestamp, queue.partition))
                continue
            heapq.heappop(self._heads)
            self._empty[queue.partition] = queue
            if self._held_up((queue,), now_s, heard):
                break
        return taken

    def _take_only(self, count: int) -> list[Record]:
        (queue,) = self._queues.values()
        records = queue.records
        if not records:
            return []
        pop: Callable[[], Record] = records.popleft
        taken = [pop() for _ in range(min(count, len(records)))]
        if not records:
            self._empty[queue.partition] = queue
            self._heads.clear()
        else:
            self._heads[0] = (records[0].timestamp, queue.partition)
        return taken

    def _held_up(self, empty: Iterable[PartitionQueue], now_s: float, heard: bool) -> bool:
        return any([self._must_wait(queue, now_s, heard) for queue in empty])

    def _must_wait(self, queue: PartitionQueue, now_s: float, heard: bool) -> bool:
        """Whether an empty queue is waited for: not where its known end is reached, nor after `wait_s`."""
        if not queue.unfetched and now_s - queue.end_known_s <= self._fresh_s:
            queue.awaited_since_s = None
            self.not_awaited.discard(queue.partition)
            return False
        if queue.awaited_since_s is None or not heard:
            queue.awaited_since_s = now_s
        if now_s - queue.awaited_since_s < self._wait_s:
            return True
        self.not_awaited.add(queue.partition)
        return False
