"""What an intake is given: where rejects go, where batches end early, who is told what is learned next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from streamlearner.stream import Message, Reject


class RejectWriter(Protocol):
    """Where rejects go (`streamlearner.connectors.dead_letters.DeadLetters` is one)."""

    def write(self, rejects: Sequence[Reject]) -> None: ...


class Ends(Protocol):
    """Where batches end before they are full (`state.batch_ends.BatchEnds` is one)."""

    def after(self, messages: int) -> int | None: ...

    def add(self, messages: int) -> None: ...


class BatchWatch(Protocol):
    """Who is told what is about to be learned (`learning_failures.LearningFailures` is one)."""

    def begin(self, messages: Sequence[Message]) -> tuple[list[Message], list[Reject]]: ...

    def ahead(self, messages: Sequence[Message]) -> bool: ...

    def narrow(self, messages: Sequence[Message], ids: tuple[str | None, ...]) -> None: ...
