"""All that serving asks of the daemon, as a Protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from streamlearner.decoding.codec import Example
from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.labels import ClassName
from streamlearner.decoding.rows import Rows
from streamlearner.errors import StreamlearnerError
from streamlearner.stream import Position

IngestExample: TypeAlias = Example
"""`input` [C, H, W] uint8 or [d] float32, `label`, `task`, `id`: decoded and validated."""
IngestExamples: TypeAlias = list[Example] | Rows
"""Those of one body."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of a push: examples that are durable now, those known before by their id, and the position
    at which the log ends."""

    accepted: int
    duplicates: int
    position: Position


class BacklogFull(StreamlearnerError):
    """The log of examples that wait to be learned is full; the client may try again in `retry_after_s`."""

    def __init__(self, text: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class TooLarge(StreamlearnerError):
    """More examples at once than the log may ever hold. Becomes a 413."""


class Unavailable(StreamlearnerError):
    """The daemon cannot do this now, but may later: the disk is full, it shuts down. Becomes a 503."""


class Conflict(StreamlearnerError):
    """The request does not fit the present state: something else is under way, or missing. Becomes a 409."""


@dataclass(frozen=True, slots=True)
class ExamSample:
    """Examples of the exam: `inputs` [n, ...] as the method takes them, behind an eye its features; names of
    their classes; `tasks` [n] int64 indices, -1 for none; the period in which each was withheld."""

    inputs: Tensor
    labels: list[ClassName]
    tasks: Tensor
    periods: list[int]


class DaemonPort(Protocol):
    """The daemon as serving sees it. Serving calls everything here from its own threads, at any time.

    `status`, `retention`, `memory`, `connected` and `learning` answer at once, from documents that the
    learning thread published and never changes again: the event loop calls them, so they must not wait for a
    lock. `request_sleep`, `request_checkpoint` and `request_rollback` only queue a request for the learning
    thread. `request_transplant`, `recollections`, `exam`, `kept_versions`, `erase` and
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

    def recollections(
        self, per_class: int, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> list[tuple[ClassName, Tensor]]:
        """Up to `per_class` decoded recollections of each class: [k, C, H, W] uint8 or [k, d] float32.

        Decoded by the learning thread between two batches. Raises `TimeoutError` after `timeout_s`, or once
        whoever asked has `left`: then it is not begun any more.
        """

    def exam(
        self, label: str | None, most: int, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> ExamSample | None:
        """Up to `most` examples of the exam, of one class or spread over all; None where there are none.

        Read by the learning thread. Raises `TimeoutError` as `recollections` does.
        """

    def last_rejects(self) -> Mapping[str, Any]:
        """The last rejects by reason, the newest first: `at_s`, `where`, `detail`, `size`, `beginning`."""

    def kept_versions(self) -> list[int]:
        """Model versions that a rollback can go to, oldest first. Reads the disk; raises `Unavailable`."""

    def ingest(self, examples: IngestExamples) -> Receipt | None:
        """Makes pushed examples durable before it returns; None where the source is not push.

        Raises `BacklogFull`, `TooLarge`, `Unavailable`.
        """

    def erase(
        self, erasure: Erasure, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> Mapping[str, Any]:
        """What an erasure `removed`, once that is durable; null where the push log has it, which is durable,
        but it is not carried out after `timeout_s`: that follows in the order of the stream. `waiting` counts
        inputs that were removed before they were learned.

        Raises `Unavailable`, `Conflict`, `TimeoutError` where nothing durable was done.
        """

    def request_sleep(self) -> None:
        """Sleeps before the next batch, unless asleep."""

    def request_checkpoint(self) -> None:
        """Saves a checkpoint before the next batch."""

    def request_rollback(self, version: str | int | None) -> None:
        """Goes back to an adopted version, None: the one before. Raises `LookupError` if it is not kept."""

    def request_transplant(
        self, to: str | None, steps: int | None, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> Mapping[str, Any]:
        """Begins to teach the network `to`, in so many steps (None: the usual number): its `number`, `to`
        and `steps`. `to` None: a fresh network of the present kind, from recollections and labels alone.

        Begun by the learning thread between two batches. Raises `Conflict`, `InvalidInput` for a network
        that cannot be built, `TimeoutError` where it has not begun after `timeout_s`, or once whoever asked
        has `left`.
        """
