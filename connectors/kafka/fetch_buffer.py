"""Keeps the merge filled from one consumer after another, whatever the consumers and the broker do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from kafka.errors import LogTruncationError, OffsetOutOfRangeError

from streamlearner.connectors.kafka import identity
from streamlearner.connectors.kafka.fetch import PAUSE_S, Fetch, FetchFailed, broken_batch
from streamlearner.connectors.kafka.gaps import Gaps
from streamlearner.connectors.kafka.merge import Merge, PartitionQueue, Record
from streamlearner.connectors.kafka.metadata import TopicMetadata
from streamlearner.errors import PositionLost, SourceError

log = logging.getLogger(__name__)

BUFFER_BYTES = 64 * 2**20  # held over all partitions, about; the library holds up to 1 MiB more for each
FETCHES_HELD = 4  # of full size, in each queue: one that rests and starts again throws a fetch under way away
RETRY_S = 1.0  # between consumers that fail without having brought anything
SETTLE_S = 3.0  # a broker that just restarted may show an older end for a moment
REST_S = 5.0  # between two fetches: the learner slept or was paused, and nothing was expected
STALL_S = 30.0  # records are known to exist and the broker answers, but no fetch brings them: a new consumer


class FetchBuffer:
    """Fetches for a merge. After an exception of the consumer the next one starts behind what was fetched.

    `failure` is the error that ends the stream: the owner raises it once everything fetched before it was
    taken (the broker may not have those records any more). Used from one thread.
    """

    def __init__(
        self,
        *,
        topic: str,
        merge: Merge,
        fetch: Fetch,
        gaps: Gaps,
        records_per_fetch: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._topic = topic
        self._merge = merge
        self._fetch = fetch
        self._gaps = gaps
        self._most = records_per_fetch
        self._limit = records_per_fetch
        self._clock = clock
        self._sleep = sleep
        self._resting: set[int] = set()
        self._warned: set[int] = set()
        self._retry_s = 0.0
        self._disputed: dict[int, int] = {}  # partition -> offset that the broker called out of range
        self._disputed_s = 0.0
        self._tried_s = 0.0
        self._unanswered_s: float | None = None  # since when fetches bring nothing of what is known to exist
        self.failure: SourceError | None = None

    @property
    def stalled_s(self) -> float:
        """For how long fetches have brought nothing though records are known to exist."""
        return 0.0 if self._unanswered_s is None else self._tried_s - self._unanswered_s

    def admit(self, partition: int, offset: int) -> None:
        """Reads one more partition, from `offset`."""
        self._merge.add(partition, offset)

    def refill(self, timeout_s: float, answer: TopicMetadata | None) -> None:
        """One fetch of at most `timeout_s` or 0.1 s; where none can be done now, a sleep of that length.

        `answer` is the newest about the topic: it settles whether an offset out of range is retention or
        truncation.
        """
        wanted = self._wanted() if self._ready(answer) else {}
        if not wanted:
            self._sleep(min(timeout_s, PAUSE_S))
            return
        try:
            if not self._fetch.running:
                self._fetch.start(wanted)
            self._fetch.read(wanted)
            arrived = self._fetch.poll(timeout_s, self._limit)
            for partition, records in arrived.items():
                self._merge.put(partition, records)
            for queue in list(self._merge.catching_up()):
                queue.next_fetch = max(queue.next_fetch, self._fetch.next_offset(queue.partition))
        except FetchFailed as failed:
            self._recover(failed.cause)
        else:
            self._note(arrived)
        self._warn()

    def close(self) -> None:
        self._fetch.close()

    def _offsets(self) -> dict[int, int]:
        return {number: queue.next_fetch for number, queue in self._merge.queues.items()}

    def _wanted(self) -> dict[int, int]:
        """The queues to fetch for: one that is full rests until half of it was taken."""
        for number, queue in self._merge.queues.items():
            if len(queue.records) >= FETCHES_HELD * self._limit:
                self._resting.add(number)
            elif len(queue.records) <= FETCHES_HELD * self._limit // 2:
                self._resting.discard(number)
        return {number: offset for number, offset in self._offsets().items() if number not in self._resting}

    def _ready(self, answer: TopicMetadata | None) -> bool:
        if self._disputed and answer is not None and answer.at_s > self._disputed_s:
            self._settle(answer)
        return not self._disputed and self.failure is None and self._clock() >= self._retry_s

    def _note(self, arrived: dict[int, list[Record]]) -> None:
        if arrived:
            records = next(iter(arrived.values()))
            mean_bytes = 100 + sum(len(record.value or b"") for record in records) / len(records)
            share_bytes = BUFFER_BYTES / len(self._merge.queues)
            self._limit = max(1, min(self._most, int(share_bytes / mean_bytes / FETCHES_HELD)))
        before_s, self._tried_s = self._tried_s, self._clock()
        if arrived or not any(self._merge.catching_up()):
            self._unanswered_s = None
        elif self._unanswered_s is None or self._tried_s - before_s > REST_S:
            self._unanswered_s = self._tried_s
        elif self.stalled_s > STALL_S:
            log.warning(
                "kafka: %s: no fetch in %.0f s brought records known to exist (offsets %s): new consumer",
                self._topic,
                self.stalled_s,
                self._offsets(),
            )
            self._fetch.close()
            self._unanswered_s = None

    def _warn(self) -> None:
        late = self._merge.not_awaited
        if late - self._warned:
            log.warning("kafka: %s: going on without partitions %s, out of order", self._topic, sorted(late))
        self._warned = set(late)

    def _recover(self, cause: Any) -> None:
        """The consumer raised and is closed: learn why, so that the next one can start behind it."""
        if isinstance(cause, LogTruncationError):
            self._refuse(self._diverged(cause))
        elif isinstance(cause, OffsetOutOfRangeError):
            self._disputed = {name.partition: offset for name, offset in cause.args[0].items()}
            self._disputed_s = self._clock()
        elif (batch := broken_batch(cause)) is not None:
            queue = self._merge.queues[batch.partition]
            self._leap(queue, lambda: self._gaps.unreadable(queue.partition, queue.next_fetch, batch, cause))
        else:
            log.warning("kafka: %s: the consumer failed and is replaced: %r", self._topic, cause)
            self._retry_s = self._clock() + RETRY_S

    def _settle(self, answer: TopicMetadata) -> None:
        """Offsets out of range, now that the broker said where the partitions begin and end."""
        for number, offset in list(self._disputed.items()):
            if number not in answer.begins or number not in answer.ends:
                continue
            begin, end = answer.begins[number], answer.ends[number]
            if offset > end and answer.at_s - self._disputed_s < SETTLE_S:
                continue
            del self._disputed[number]
            if offset > end:
                self._refuse(identity.truncated(self._topic, number, offset, end))
            elif offset < begin:
                queue = self._merge.queues[number]
                self._leap(queue, lambda n=number, o=offset, b=begin: self._gaps.retained(n, o, b))  # type: ignore[misc]

    def _refuse(self, failure: PositionLost) -> None:
        """The log was truncated: what was fetched and not taken may be gone, so none of it is given out."""
        self._merge.drop()
        self.failure = failure

    def _leap(self, queue: PartitionQueue, following: Callable[[], int]) -> None:
        try:
            queue.next_fetch = following()
        except SourceError as error:
            self.failure = error

    def _diverged(self, cause: LogTruncationError) -> PositionLost:
        places = {
            f"{self._topic}[{name.partition}]": str(place) for name, place in cause.divergent_offsets.items()
        }
        return PositionLost(
            f"kafka: the broker's log no longer holds what was read (offsets {self._offsets()}, the logs "
            f"part at {places}): it was truncated: roll back to a checkpoint before that, or "
            f"{identity.START_OVER}"
        )
