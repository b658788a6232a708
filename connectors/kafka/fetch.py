"""One kafka-python consumer at a time: built at given offsets, polled, thrown away at its first exception."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from streamlearner.connectors.kafka.client import closing_quietly
from streamlearner.connectors.kafka.header_names import read_any_header_name
from streamlearner.connectors.kafka.merge import Record
from streamlearner.connectors.kafka.watchdog import Watchdog

PAUSE_S = (
    0.1  # one poll of the library at most: new ends, partitions and a topic made again are looked at between
)


class FetchFailed(Exception):
    """The consumer raised and was closed; `cause` is what it raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(repr(cause))
        self.cause = cause


@dataclass(frozen=True, slots=True)
class BrokenBatch:
    """A batch that cannot be read: offsets `first` to `next_offset` - 1 of a partition."""

    partition: int
    first: int
    next_offset: int


class Fetch:
    """The consumer, or none after a failure: `start` builds it, any exception of `poll` closes it.

    A consumer ends with its first exception: no rule says what state that leaves it in. Records before it
    were delivered, and the owner starts the next consumer behind them. For a `poll` that hangs, as this
    library's was seen to, there is the watchdog.
    """

    def __init__(
        self,
        *,
        topic: str,
        options: Mapping[str, Any],
        watchdog: Watchdog,
        build: Callable[..., Any] = KafkaConsumer,
    ) -> None:
        read_any_header_name()
        self._topic = topic
        self._options = dict(options)
        self._watchdog = watchdog
        self._build = build
        self._consumer: Any = None
        self._reading: set[int] = set()

    @property
    def running(self) -> bool:
        return self._consumer is not None

    def start(self, offsets: Mapping[int, int]) -> None:
        """A new consumer at these offsets. Only the first needs the network, for the broker's version."""
        self.close()
        try:
            consumer = self._build(**self._options)
        except Exception as error:
            raise FetchFailed(error) from error
        _forbid_topics(consumer)
        # With the version known the next needs no answer to be built: it never blocks on a lost broker.
        self._options["api_version"] = consumer.config["api_version"]
        self._consumer, self._reading = consumer, set()
        self.read(offsets)

    def read(self, offsets: Mapping[int, int]) -> None:
        """Fetches these partitions and no others; the offset counts only where one was not being fetched.

        Not the library's pause: a partition paused while its fetch is half taken may never be fetched again
        after resume (3.0.12 parks those records and looks at them only while no other fetch was ever
        finished).
        """
        wanted = set(offsets)
        if wanted == self._reading:
            return
        self._consumer.assign([self._name(number) for number in sorted(wanted)])
        for number in wanted - self._reading:
            self._consumer.seek(self._name(number), offsets[number])
        self._reading = wanted

    def poll(self, timeout_s: float, max_records: int) -> dict[int, list[Record]]:
        """What arrived, by partition; {} when nothing did, which is also how a lost broker looks."""
        timeout_s = min(timeout_s, PAUSE_S)
        try:
            with self._watchdog.watching("kafka poll", timeout_s):
                arrived = self._consumer.poll(timeout_ms=int(timeout_s * 1000), max_records=max_records)
        except Exception as error:
            self.close()
            raise FetchFailed(error) from error
        return {name.partition: records for name, records in arrived.items()}

    def next_offset(self, partition: int) -> int:
        """The offset of the next fetch: behind markers and holes, where last + 1 would wait for ever."""
        try:
            with self._watchdog.watching("kafka position", 0.0):
                return int(self._consumer.position(self._name(partition), timeout_ms=0))
        except Exception as error:
            self.close()
            raise FetchFailed(error) from error

    def reread(self, offsets: Mapping[int, int], timeout_s: float) -> dict[int, Record | None]:
        """The first record at or after each offset, None where there is none; absent where time ran out."""
        found: dict[int, Record | None] = {}
        self.start(offsets)
        deadline_s = time.monotonic() + timeout_s
        try:
            while len(found) < len(offsets) and time.monotonic() < deadline_s:
                for partition, records in self.poll(PAUSE_S, max_records=1).items():
                    found.setdefault(partition, records[0])
                for partition in self._reading - set(found):
                    if self.next_offset(partition) > offsets[partition]:
                        found[partition] = None
                if left := {number: offset for number, offset in offsets.items() if number not in found}:
                    self.read(left)
        finally:
            self.close()
        return found

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with closing_quietly("the consumer"):
                consumer.close(autocommit=False, timeout_ms=1000)

    def _name(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)


def _forbid_topics(consumer: Any) -> None:
    """A reader makes no topic. With `allow_auto_create_topics` alone it does where the broker lets it: 3.0.12
    does not hand the option to what asks for metadata, and a topic deleted under it was there again, empty
    and with one partition, half a second later."""
    cluster = getattr(getattr(consumer, "_client", None), "cluster", None)
    if isinstance(config := getattr(cluster, "config", None), dict):
        config["allow_auto_create_topics"] = False


def broken_batch(error: BaseException) -> BrokenBatch | None:
    """The batch that the library was unpacking when it raised; None where it raised elsewhere.

    The exceptions do not carry it (a missing codec names no offset at all) and probing offsets would skip
    good batches between bad ones, but the library's frame still holds it. Read defensively: another version's
    frame gives None.
    """
    trace = error.__traceback__
    found: BrokenBatch | None = None
    while trace is not None:
        names = trace.tb_frame.f_locals
        batch, partition = names.get("batch"), names.get("tp")
        first, following = getattr(batch, "base_offset", None), getattr(batch, "next_offset", None)
        if isinstance(partition, TopicPartition) and isinstance(first, int) and isinstance(following, int):
            found = BrokenBatch(partition.partition, first, following)
        trace = trace.tb_next
    return found
