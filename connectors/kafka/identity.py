"""What a Kafka position names: the topic by its id, the last record taken by its digest. No broker here.

A re-created topic that grew past the position, or a broker that lost its tail and refilled it, is read
silently from the old offset. Only the topic id and the record before the position show it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from streamlearner.connectors.kafka.merge import Record
from streamlearner.errors import PositionLost
from streamlearner.stream import Position, refuse_other

START_OVER = "start with a new state folder to learn the topic from its beginning"


@dataclass(frozen=True, slots=True)
class RecordFingerprint:
    """The last record taken from a partition: enough to know it again, without keeping its content."""

    offset: int
    leader_epoch: int
    sha256: str
    timestamp_ms: int

    @classmethod
    def of(cls, record: Record) -> RecordFingerprint:
        return cls(record.offset, record.leader_epoch, digest(record), record.timestamp)


@dataclass(frozen=True, slots=True)
class PartitionOffset:
    """A place in one partition: the next offset, and the last record before it (None before the first)."""

    offset: int
    last: RecordFingerprint | None = None


@dataclass(frozen=True, slots=True)
class KafkaPosition:
    """A place in a topic: what is inside the checkpoint. `to_json` and `from_json` are inverse."""

    topic: str
    topic_id: str
    partitions: Mapping[int, PartitionOffset]

    def to_json(self) -> Position:
        partitions = {str(number): asdict(place) for number, place in sorted(self.partitions.items())}
        return {"topic": self.topic, "topic_id": self.topic_id, "partitions": partitions}

    @classmethod
    def from_json(cls, position: Position) -> KafkaPosition:
        refuse_other(position, ("partitions", "topic", "topic_id"), name="kafka")
        try:
            partitions = {
                int(number): place_from_json(place) for number, place in position["partitions"].items()
            }
            return cls(str(position["topic"]), str(position["topic_id"]), partitions)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PositionLost(
                f"kafka: the checkpoint's position is not one of a Kafka topic ({error!r}; keys "
                f"{sorted(position)}): point source.type at what it was learned from, or {START_OVER}"
            ) from error


def place_from_json(place: Mapping[str, Any]) -> PartitionOffset:
    last = place["last"]
    return PartitionOffset(int(place["offset"]), None if last is None else RecordFingerprint(**last))


def digest(record: Record) -> str:
    """SHA-256 of timestamp, key, value and headers, each with its length: no two records read alike."""
    sha = hashlib.sha256(str(record.timestamp).encode())
    parts = [record.key, record.value]
    for name, content in record.headers or ():
        parts += [name.encode(), content]
    for part in parts:
        sha.update(b"-" if part is None else b"%d:" % len(part))
        sha.update(part or b"")
    return sha.hexdigest()


def check_topic(position: KafkaPosition, *, topic: str, topic_id: str, partitions: Mapping[int, int]) -> None:
    """Raises `PositionLost` where the checkpoint is of another topic, or of one since made again."""
    if position.topic != topic:
        raise PositionLost(
            f"kafka: the checkpoint was learned from topic {position.topic!r}, the source is set to "
            f"{topic!r}: set the topic back, or {START_OVER}"
        )
    if position.topic_id != topic_id:
        raise recreated(topic, position.topic_id, topic_id, offsets(position))
    missing = sorted(set(position.partitions) - set(partitions))
    if missing:
        raise PositionLost(
            f"kafka: {topic} has no partitions {missing}, which the checkpoint has read (offsets "
            f"{offsets(position)}); a topic never loses partitions, so this is another one: {START_OVER}"
        )


def offsets(position: KafkaPosition) -> dict[int, int]:
    return {number: place.offset for number, place in sorted(position.partitions.items())}


def recreated(topic: str, expected: str, found: str, offsets: Mapping[int, int]) -> PositionLost:
    return PositionLost(
        f"kafka: topic {topic!r} was deleted and created again: its id is {found}, the position (offsets "
        f"{dict(offsets)}) is of {expected}: {START_OVER}"
    )


def deleted(topic: str, offsets: Mapping[int, int]) -> PositionLost:
    return PositionLost(
        f"kafka: topic {topic!r} was deleted (next offsets {dict(offsets)}): what was learned is kept. "
        f"One made again under its name is another topic: {START_OVER}"
    )


def overtaken(topic: str, partition: int, offset: int, begin: int) -> PositionLost:
    return PositionLost(
        f"kafka: {topic}[{partition}]: retention overtook the position: next offset {offset}, the broker "
        f"begins at {begin}, so up to {begin - offset} messages are gone: set on_gap to 'skip' to go on "
        f"there and count the gap, and raise the topic's retention"
    )


def truncated(topic: str, partition: int, offset: int, end: int) -> PositionLost:
    return PositionLost(
        f"kafka: {topic}[{partition}]: the position {offset} is beyond the end {end}: the broker lost its "
        f"tail or the topic was emptied: roll back to a checkpoint before offset {end}, or {START_OVER}"
    )


def check_fingerprint(topic: str, partition: int, place: PartitionOffset, found: Record | None) -> None:
    """Raises `PositionLost` where the record before the position is another one than was learned.

    `found` is the record now at that offset; None where retention or compaction took it, which proves
    nothing.
    """
    if place.last is None or found is None or found.offset != place.last.offset:
        return
    now = RecordFingerprint.of(found)
    if now.sha256 == place.last.sha256:
        return
    raise PositionLost(
        f"kafka: {topic}[{partition}]@{place.last.offset} is another record than the one learned (was "
        f"{brief(place.last)}, is {brief(now)}): the log was truncated and refilled: roll back to a "
        f"checkpoint before it, or {START_OVER}"
    )


def brief(fingerprint: RecordFingerprint) -> str:
    short = replace(fingerprint, sha256=fingerprint.sha256[:12])
    return f"leader epoch {short.leader_epoch}, timestamp {short.timestamp_ms} ms, sha256 {short.sha256}"
