"""What serving asks of the daemon, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from streamlearner.decoding.codec import Example
from streamlearner.decoding.labels import ClassName
from streamlearner.errors import StreamlearnerError
from streamlearner.stream import Position

IngestExample: TypeAlias = Example
"""`input` [C, H, W] uint8 or [d] float32, `label`, `task`, `id`: decoded and validated."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a push did: examples that are durable now, those known before by their id, where the log ends."""

    accepted: int
    duplicates: int
    position: Position


class BacklogFull(StreamlearnerError):
    """More examples wait to be learned than the backlog holds; the client tries again in `retry_after_s`."""

    def __init__(self, text: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Unavailable(StreamlearnerError):
    """The daemon cannot do it now and may later: the disk is full, it is shutting down. Becomes a 503."""


class Conflict(StreamlearnerError):
    """What was asked for cannot be as things are: something else is under way, or lacking. Becomes a 409."""


class DaemonPort(Protocol):
    """The daemon as serving sees it. Serving calls everything here from its own threads, at any time.

    `status`, `retention`, `memory`, `connected` and `learning` answer at once, from snapshots that the
    learning thread published and never changes again; the event loop asks, so they must not wait for a lock.
    The first three requests only leave a note for the learning thread. The others, `recollections` and
    `ingest` may block.
    """

    @property
    def connected(self) -> bool:
        """Whether the source answers."""

    @property
    def learning(self) -> bool:
        """Whether the learning loop runs: False before it starts, while it stops, and when it hangs."""

    def status(self) -> Mapping[str, Any]:
        """The body of GET /v1/status. None and NaN both mean: not known yet."""

    def retention(self) -> Mapping[str, Any]:
        """The body of GET /v1/retention."""

    def memory(self) -> Mapping[str, Any]:
        """The body of GET /v1/memory."""

    def recollections(self, per_class: int, timeout_s: float) -> list[tuple[ClassName, Tensor]]:
        """Up to `per_class` decoded recollections of each class: [k, C, H, W] uint8 or [k, d] float32.

        Made by the learning thread between two batches. Raises `TimeoutError` after `timeout_s`.
        """

    def ingest(self, examples: list[IngestExample]) -> Receipt | None:
        """Makes pushed examples durable before it returns; None where the source is not push.

        Raises `BacklogFull`, `Unavailable`.
        """

    def request_sleep(self) -> None:
        """Sleeps before the next batch, unless asleep."""

    def request_checkpoint(self) -> None:
        """Saves a checkpoint before the next batch."""

    def request_rollback(self, version: str | int | None) -> None:
        """Goes back to an adopted version, None: the one before. Raises `LookupError` if it is not kept."""

    def request_transplant(self, to: str, steps: int | None, timeout_s: float) -> Mapping[str, Any]:
        """Begins to teach the network `to`, in so many steps (None: the usual number): its `number`, `to`
        and `steps`.

        Begun by the learning thread between two batches. Raises `Conflict`, `InvalidInput` for a network
        that cannot be, `TimeoutError` after `timeout_s` if it did not begin.
        """
