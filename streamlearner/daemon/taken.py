"""What was taken from the stream: a batch, and the count of what became of all messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamlearner.decoding.batch import Batch
from streamlearner.decoding.erasures import Erasure
from streamlearner.stream import Position, Reject


@dataclass(frozen=True, slots=True)
class TakenErasure:
    """An erasure. `since`: an example of its id was learned, or withheld, for certain, when this was the
    newest model version; else None. `just_came`: examples that were not learned at all, as it followed."""

    erasure: Erasure
    since: int | None
    just_came: int = 0


@dataclass(frozen=True, slots=True)
class TakenBatch:
    """So many messages of the stream, and the position after them. `batch` holds those that are new and
    valid, and that no erasure among them covers; `erased` counts those that one does, or did. The `erasures`
    come first: what is left of the batch is learned after them. `one_in`: of so many examples one gets
    optimiser steps."""

    messages: int
    batch: Batch
    rejects: dict[str, int]
    duplicates: int
    tombstones: int
    position: Position
    erased: int = 0
    erasures: tuple[TakenErasure, ...] = ()
    refused: tuple[Reject, ...] = ()
    one_in: int = 1

    @property
    def pure_erasures(self) -> int:
        """Messages that are no more than that: one that corrects an example counts as the example."""
        return sum(not one.erasure.replaced for one in self.erasures)


@dataclass(slots=True)
class Tally:
    """Messages taken, and those that were not learned. The learner counts the others: learned, withheld."""

    messages: int = 0
    rejected: int = 0
    duplicate: int = 0
    tombstone: int = 0
    erased: int = 0
    erasure: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, taken: TakenBatch) -> None:
        self.messages += taken.messages
        self.duplicate += taken.duplicates
        self.tombstone += taken.tombstones
        self.erased += taken.erased
        self.erasure += taken.pure_erasures
        for reason, count in taken.rejects.items():
            self.rejected += count
            self.reasons[reason] = self.reasons.get(reason, 0) + count
