"""The stream: what travels on it, and the contract of a Source.

No torch here: connectors import this module, and a connector must stay light.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from streamlearner.errors import PositionLost
from streamlearner.registry.sources import KafkaSection

Label: TypeAlias = str | int
Factors: TypeAlias = Mapping[str, Label]
"""A label of several factors, each with its value: `{"category": "mug", "viewpoint": 90}`."""
Position: TypeAlias = dict[str, Any]
"""Opaque and JSON-serialisable: how far a Source has been consumed. Only its Source reads it."""


_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]{0,128})?"
)
"""Version, trace, parent, flags; a later version may add more."""
_WRITTEN_BY = {
    ("partitions", "topic", "topic_id"): "a Kafka topic (source.type: kafka)",
    ("log", "offset"): "pushed examples (source.type: push)",
    ("index", "manifest"): "files (source.type: files)",
    ("current", "files"): "lines of JSON (source.type: files, source.files.format: jsonl)",
    ("index",): "a sequence in memory",
    ("labels", "source"): "a source with labels that came later (labels.budget_bits)",
}
"""Which source writes positions of these keys, for a person."""


def refuse_other(position: Position, keys: tuple[str, ...], *, name: str) -> None:
    """Raises `PositionLost` where `position` is not one of the source `name`, whose positions have `keys`."""
    found = tuple(sorted(position))
    if found == keys:
        return
    learned = _WRITTEN_BY.get(found, f"a source whose positions hold {', '.join(found) or 'nothing'}")
    raise PositionLost(
        f"{name}: the checkpoint's position is not one of {_WRITTEN_BY[keys]}: this state was learned from "
        f"{learned}. Set source.type back, or begin anew with a new state folder (state_dir)"
    )


@dataclass(frozen=True, slots=True)
class Message:
    """One record as the outside world wrote it. `(topic, partition, offset)` names it for ever."""

    value: bytes | None
    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int = 0

    def where(self) -> str:
        """`topic[partition]@offset`, as every error and log line writes it."""
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @property
    def traceparent(self) -> str | None:
        """The trace that it is a part of, as W3C Trace Context writes it; None where no header says one."""
        for name, value in self.headers:
            if len(name) < 11 or name.lower() not in ("traceparent", "ce_traceparent"):
                continue
            if _TRACEPARENT.fullmatch(value or b""):
                return value.decode()
        return None


@dataclass(frozen=True, slots=True)
class Reject:
    """A Message that could not become an Example. `reason` is from a small fixed set; `detail` is for a
    person."""

    message: Message
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a source, or the dead letters, may be built with beside their own settings: `state_dir`, a folder
    of the daemon's own, and the settings of `source.kafka`, for what speaks to the same broker."""

    state_dir: Path
    kafka: KafkaSection


class Source(ABC):
    """Where messages come from. The daemon calls every method from its one learning thread.

    Guarantees that an implementer must give:

    - **Replay**: after `open(position)`, `poll` gives exactly the messages that followed when `position` was
    read,
      in the same order, as long as the outside still has them. That and the position inside the checkpoint
      give each example exactly one effect on the model.
    - **Order**: a deterministic order over a complete backlog, however the polls are cut.
    - **No silent gap**: messages that are gone (retention, truncation, a re-created topic) raise
    `PositionLost`,
      or are counted in `gaps` where the source's policy says to go on.
    - **Patience**: a lost broker is not an error after `open`; `poll` returns [] and `connected` turns False.

    Not guaranteed: that `commit` was heard; it is advice for lag displays.
    """

    name: str = "source"
    begins_now: bool = False
    """Whether `open(None)` goes to where the stream is at that moment: then the daemon saves its first
    position at once, as a restart would begin elsewhere, and what came between would be lost."""

    @classmethod
    def build(cls, settings: Any, surroundings: Surroundings) -> Self:
        """A fresh one, not opened: `settings` are its own (an object of the class `Settings` in its class,
        None where it has none); here they are the arguments of the constructor."""
        return cls(**dict(settings or ()))

    @abstractmethod
    def open(self, position: Position | None) -> None:
        """Connects and goes to `position`; None means the beginning (or what the source's settings say).

        Raises `SourceUnreachable` past the start-up deadline, `PositionLost` where the position means another
        place.
        """

    @abstractmethod
    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        """At most `max_messages` next messages; waits up to `timeout_s` for the first; [] when there are
        none."""

    @property
    @abstractmethod
    def position(self) -> Position:
        """The place after the last message that `poll` returned. A fresh, JSON-serialisable value each
        time."""

    @abstractmethod
    def commit(self, position: Position) -> None:
        """Tells the outside how far a durable checkpoint reaches. Advisory, may fail silently, never blocks
        for long."""

    def release(self, position: Position) -> None:
        """No kept checkpoint will ever ask for messages before `position`: a source that owns its storage may
        delete them. Called after each durable checkpoint with the position of the oldest one that is kept."""

    @property
    def crowded(self) -> bool:
        """True while a source that owns its storage turns new messages away, as it keeps old ones for older
        checkpoints: the daemon then saves until all that it keeps are newer, and `release` makes room."""
        return False

    @abstractmethod
    def pause(self) -> None:
        """Stops fetching (not being a member, not heartbeating): `poll` returns [] until `resume`."""

    @abstractmethod
    def resume(self) -> None:
        """Ends a pause."""

    @abstractmethod
    def lag(self) -> dict[int, int]:
        """Messages still to be polled, for each partition; a partition whose end is unknown is left out."""

    def held_back(self) -> dict[int, int]:
        """Messages that are there but may not be polled yet, for each partition that has any: a transaction
        is open. They are not in `lag`."""
        return {}

    def interrupt(self) -> None:
        """From a signal handler or any thread: an `open` that still waits for the outside gives up soon."""

    @abstractmethod
    def close(self) -> None:
        """Frees everything; safe to call twice."""

    @property
    def connected(self) -> bool:
        """False while the outside does not answer (readiness and an alarm go by it)."""
        return True

    @property
    def exhausted(self) -> bool:
        """True when no message can ever follow (a finite file read to its end)."""
        return False

    @property
    def gaps(self) -> int:
        """Messages known to be lost to this reader and passed over by policy since `open`."""
        return 0
