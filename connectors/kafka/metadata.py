"""Asks the broker from its own thread: each second how far the topic reaches, more seldom which topic it is
and which partitions it has. Carries the commits."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError, RetriableError, UnknownTopicOrPartitionError, for_code
from kafka.protocol.consumer import IsolationLevel, OffsetSpec
from kafka.structs import OffsetAndMetadata

from streamlearner.connectors.kafka.client import closing_quietly

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TopicMetadata:
    """What the broker said about a topic at `at_s` of the clock. Offsets by partition.

    `ends` are the offsets after the last record that may be read (with read_committed: the last stable
    offsets). `complete` is False where some partition did not answer; its offsets are then absent. `held` are
    offsets that are there but may not be read yet, by partition: a transaction is open. `described_s` is when
    id and partitions were last asked for.
    """

    at_s: float
    topic_id: str
    partitions: frozenset[int]
    begins: Mapping[int, int]
    ends: Mapping[int, int]
    complete: bool = True
    held: Mapping[int, int] = field(default_factory=dict)
    described_s: float | None = None


class MetadataPoller:
    """The state of one topic as the broker last described it.

    An admin client of its own: a fetch keeps its connection busy for up to fetch_max_wait_ms, and a consumer
    that hangs or is being rebuilt must not silence it. `ask` is called by the owner before `start`, by the
    thread after.

    Every `every_s` the offsets are asked for: that the broker answers is known by this. Every
    `describe_every_s` the topic's id and partitions too, and at once where anything looks like another topic:
    no answer, a missing one, an end or a beginning that went back.
    """

    def __init__(
        self,
        *,
        topic: str,
        options: Mapping[str, Any],
        isolation_level: str,
        group_id: str | None,
        every_s: float,
        describe_every_s: float,
        partitions: Collection[int] | None = None,
        clock: Callable[[], float] = time.monotonic,
        build: Callable[..., Any] = KafkaAdminClient,
    ) -> None:
        self._topic = topic
        self._isolation = IsolationLevel.build_from(isolation_level)
        self._group_id, self._only = group_id, partitions
        self._every_s, self._describe_every_s = every_s, describe_every_s
        self._described_s = -math.inf
        self._describe_now = threading.Event()
        self.missing_since_s: float | None = None  # since when the broker says that there is no such topic
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
        with closing_quietly("the admin client"):
            self._admin.close()

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Leaves offsets for the thread to send; a later call replaces one not yet sent."""
        if self._group_id is not None:
            self._to_commit = dict(offsets)

    def ask(self) -> TopicMetadata | None:
        """Asks now: None where the topic does not exist; raises the client's errors where none answers."""
        asked_s = self._clock()
        (described,) = self._admin.describe_topics([self._topic])
        found = (int(entry["partition_index"]) for entry in described["partitions"])
        numbers = frozenset(number for number in found if self._only is None or number in self._only)
        refusal = for_code(described["error_code"])
        if refusal is UnknownTopicOrPartitionError:
            self.missing_since_s = asked_s if self.missing_since_s is None else self.missing_since_s
            return None
        if refusal.errno != 0 or not numbers:
            raise refusal(f"topic {self._topic} cannot be described")
        self.missing_since_s = None
        self._answer = self._measure(str(described["topic_id"]), numbers, asked_s)
        self._described_s = self._answer.at_s
        return self._answer

    def describe(self) -> None:
        """Has the thread ask for the topic's id and partitions next; from any thread."""
        self._describe_now.set()

    def look(self) -> None:
        """Asks for the offsets, and for all else where that is due."""
        known, described_s = self._answer, self._described_s
        if self._describe_now.is_set():
            self._describe_now.clear()
            described_s = -math.inf
        self._described_s = -math.inf  # whatever fails below, the next time asks for everything
        if known is None or self._clock() - described_s >= self._describe_every_s:
            self.ask()
            return
        found = self._measure(known.topic_id, known.partitions, known.described_s)
        if found.complete and not _went_back(known, found):
            self._answer, self._described_s = found, described_s
        else:
            self.ask()

    def _measure(self, topic_id: str, numbers: frozenset[int], described_s: float | None) -> TopicMetadata:
        at_s = self._clock()  # before the offsets are asked for: what is known is at least this old
        begins = self._offsets(numbers, OffsetSpec.EARLIEST, self._isolation)
        # Before the ends: else what is written between the two questions would look held back.
        written = self._offsets(numbers, OffsetSpec.LATEST, IsolationLevel.READ_UNCOMMITTED)
        ends = self._offsets(numbers, OffsetSpec.LATEST, self._isolation)
        held = {n: written[n] - end for n, end in ends.items() if written.get(n, end) > end}
        complete = len(begins) == len(ends) == len(numbers)
        return TopicMetadata(at_s, topic_id, numbers, begins, ends, complete, held, described_s)

    def _offsets(self, numbers: Iterable[int], spec: OffsetSpec, isolation: IsolationLevel) -> dict[int, int]:
        """All at once; one by one where that fails: one leaderless partition must not hide the others."""
        wanted = {TopicPartition(self._topic, number): spec for number in sorted(numbers)}
        try:
            return self._list(wanted, isolation)
        except KafkaError:
            if len(wanted) == 1:
                raise
        found: dict[int, int] = {}
        for partition in wanted:
            try:
                found |= self._list({partition: spec}, isolation)
            except KafkaError as error:
                log.debug("kafka: %s[%d] gives no offsets: %s", self._topic, partition.partition, error)
        if not found:
            raise KafkaError(f"no partition of {self._topic} gives its offsets")
        return found

    def _list(self, wanted: Mapping[TopicPartition, OffsetSpec], isolation: IsolationLevel) -> dict[int, int]:
        listed = self._admin.list_partition_offsets(wanted, isolation, timeout_ms=1000)
        return {partition.partition: int(found.offset) for partition, found in listed.items()}

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                self.look()
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


def _went_back(before: TopicMetadata, now: TopicMetadata) -> bool:
    """Whether a partition begins or ends below where it did: truncated, or another topic of the same name."""
    pairs = [(before.begins, now.begins), (before.ends, now.ends)]
    return any(offset < old.get(number, 0) for old, new in pairs for number, offset in new.items())
