"""What to do where messages are gone or unreadable: stop and say so, or go on behind them and count them."""

from __future__ import annotations

import logging
from typing import Literal

from kafka.errors import UnsupportedCodecError

from streamlearner.connectors.kafka import identity
from streamlearner.connectors.kafka.fetch import BrokenBatch
from streamlearner.connectors.kafka.identity import KafkaPosition, PartitionOffset
from streamlearner.connectors.kafka.metadata import TopicMetadata
from streamlearner.errors import ConfigError, SourceError

log = logging.getLogger(__name__)


class Gaps:
    """The policy for one topic: `on_gap` is 'stop' (raise) or 'skip' (go on, log the offsets, count).

    `count` is in offsets, so an upper bound on messages: transaction markers and compacted records count too.
    """

    def __init__(self, *, topic: str, on_gap: Literal["stop", "skip"]) -> None:
        if on_gap not in ("stop", "skip"):
            raise ConfigError(f"kafka: on_gap is {on_gap!r}; expected 'stop' or 'skip'")
        self._topic = topic
        self._on_gap = on_gap
        self.count = 0

    def retained(self, partition: int, offset: int, begin: int) -> int:
        """Retention took `offset` to `begin` - 1: returns where to go on, or raises `PositionLost`."""
        if self._on_gap == "stop":
            raise identity.overtaken(self._topic, partition, offset, begin)
        return self._skip(partition, offset, begin, "retention overtook the position")

    def unreadable(self, partition: int, offset: int, batch: BrokenBatch | None, cause: Exception) -> int:
        """The batch at `offset` cannot be unpacked: returns where to go on, or raises `SourceError`."""
        located = (
            batch is not None and batch.partition == partition and batch.first <= offset < batch.next_offset
        )
        if self._on_gap == "stop" or batch is None or not located:
            raise SourceError(
                self._unreadable_text(partition, offset, batch if located else None, cause)
            ) from cause
        return self._skip(partition, offset, batch.next_offset, f"unreadable batch: {cause!r}")

    def doubtful(self, partition: int, offset: int, batch: BrokenBatch, cause: Exception) -> None:
        """The record before the position cannot be read again, so the position cannot be proven."""
        if self._on_gap == "stop":
            raise SourceError(self._unreadable_text(partition, offset, batch, cause)) from cause
        log.warning(
            "kafka: %s[%d]@%d cannot be read again to prove the position: %r",
            self._topic,
            partition,
            offset,
            cause,
        )

    def reconcile(self, position: KafkaPosition, answer: TopicMetadata) -> dict[int, PartitionOffset]:
        """Where to go on in each partition of a position; a partition added since starts at its beginning."""
        places: dict[int, PartitionOffset] = {}
        for number in sorted(answer.partitions):
            begin, end = answer.begins[number], answer.ends[number]
            place = position.partitions.get(number, PartitionOffset(begin))
            if place.offset < begin:
                place = PartitionOffset(self.retained(number, place.offset, begin))
            elif place.offset > end:
                raise identity.truncated(self._topic, number, place.offset, end)
            places[number] = place
        return places

    def _skip(self, partition: int, offset: int, following: int, why: str) -> int:
        self.count += following - offset
        log.warning(
            "kafka: %s[%d]: skipped offsets %d to %d (%d): %s",
            self._topic,
            partition,
            offset,
            following - 1,
            following - offset,
            why,
        )
        return following

    def _unreadable_text(
        self, partition: int, offset: int, batch: BrokenBatch | None, cause: Exception
    ) -> str:
        span = (
            f"offsets {batch.first} to {batch.next_offset - 1}"
            if batch
            else "a batch that could not be located"
        )
        mend = "restore the log segment from a replica"
        if isinstance(cause, UnsupportedCodecError):
            mend = "install its codec (lz4, zstandard or python-snappy)"
        skip = ", or set on_gap to 'skip' to go on behind it and count the gap" if batch else ""
        return (
            f"kafka: {self._topic}[{partition}]@{offset}: {span} cannot be read "
            f"({type(cause).__name__}: {cause}): {mend}{skip}"
        )
