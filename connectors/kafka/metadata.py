"""Asks the broker once a second, from its own thread, how far the topic reaches; carries the commits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError, RetriableError, UnknownTopicOrPartitionError, for_code
from kafka.protocol.consumer import IsolationLevel, OffsetSpec
from kafka.structs import OffsetAndMetadata

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TopicMetadata:
    """What the broker said about a topic at `at_s` of the clock. Offsets by partition.

    `ends` are the offsets after the last record that may be read (with read_committed: the last stable
    offsets). `complete` is False where some partition did not answer; its offsets are then absent.
    """

    at_s: float
    topic_id: str
    partitions: frozenset[int]
    begins: Mapping[int, int]
    ends: Mapping[int, int]
    complete: bool = True


class MetadataPoller:
    """The state of one topic as the broker last described it.

    An admin client of its own: a fetch keeps its connection busy for up to fetch_max_wait_ms, and a consumer
    that hangs or is being rebuilt must not silence it. `ask` is called by the owner before `start`, by the
    thread after.
    """

    def __init__(
        self,
        *,
        topic: str,
        options: Mapping[str, Any],
        isolation_level: str,
        group_id: str | None,
        every_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        build: Callable[..., Any] = KafkaAdminClient,
    ) -> None:
        self._topic = topic
        self._isolation = IsolationLevel.build_from(isolation_level)
        self._group_id = group_id
        self._every_s = every_s
        self._clock = clock
        self._admin = build(**options)
        self._answer: TopicMetadata | None = None
        self._to_commit: Mapping[int, int] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-metadata", daemon=True)

    @property
    def answer(self) -> TopicMetadata | None:
        """The last answer; a fresh object for each, so `is` tells whether it was seen."""
        return self._answer

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        self._admin.close()

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Leaves offsets for the thread to send; a later call replaces one not yet sent."""
        if self._group_id is not None:
            self._to_commit = dict(offsets)

    def ask(self) -> TopicMetadata | None:
        """Asks now: None where the topic does not exist; raises the client's errors where none answers."""
        (described,) = self._admin.describe_topics([self._topic])
        numbers = frozenset(int(entry["partition_index"]) for entry in described["partitions"])
        refusal = for_code(described["error_code"])
        if refusal is UnknownTopicOrPartitionError:
            return None
        if refusal.errno != 0 or not numbers:
            raise refusal(f"topic {self._topic} cannot be described")
        at_s = self._clock()  # before the offsets are asked for: what is known is at least this old
        begins = self._offsets(numbers, OffsetSpec.EARLIEST)
        ends = self._offsets(numbers, OffsetSpec.LATEST)
        complete = len(begins) == len(ends) == len(numbers)
        self._answer = TopicMetadata(at_s, str(described["topic_id"]), numbers, begins, ends, complete)
        return self._answer

    def _offsets(self, numbers: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
        """All at once; one by one where that fails: one leaderless partition must not hide the others."""
        wanted = {TopicPartition(self._topic, number): spec for number in sorted(numbers)}
        try:
            return self._list(wanted)
        except KafkaError:
            if len(wanted) == 1:
                raise
        found: dict[int, int] = {}
        for partition in wanted:
            try:
                found |= self._list({partition: spec})
            except KafkaError as error:
                log.debug("kafka: %s[%d] gives no offsets: %s", self._topic, partition.partition, error)
        if not found:
            raise KafkaError(f"no partition of {self._topic} gives its offsets")
        return found

    def _list(self, wanted: Mapping[TopicPartition, OffsetSpec]) -> dict[int, int]:
        listed = self._admin.list_partition_offsets(wanted, self._isolation, timeout_ms=1000)
        return {partition.partition: int(found.offset) for partition, found in listed.items()}

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                self.ask()
                self._send_commit()
            except (
                Exception
            ) as error:  # the thread must outlive any outage; the age of the answer raises the alarm
                log.debug("kafka: no answer about %s: %r", self._topic, error)

    def _send_commit(self) -> None:
        offsets = self._to_commit
        if offsets is None or self._group_id is None:
            return
        places = {TopicPartition(self._topic, p): OffsetAndMetadata(o, "", -1) for p, o in offsets.items()}
        outcomes = self._admin.alter_group_offsets(self._group_id, places)
        failed = {str(partition): error.__name__ for partition, error in outcomes.items() if error.errno != 0}
        if failed:
            log.info("kafka: group %s: offsets not recorded: %s", self._group_id, failed)
        again = any(issubclass(error, RetriableError) for error in outcomes.values())
        if (
            not again and self._to_commit is offsets
        ):  # else a newer one came meanwhile, or the next second tries again
            self._to_commit = None
