"""Intakes for tests: on streams in memory that drip, by a clock that shows what it is told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.intake import Intake, TakenBatch
from streamlearner.daemon.look_ahead import LookAhead
from streamlearner.daemon.name_ceiling import Most
from streamlearner.decoding.codec import Codec, encode_raw
from streamlearner.stream import Message, Reject

BATCH = 4


class CollectedRejects:
    """Dead letters in a list."""

    def __init__(self) -> None:
        self.rejects: list[Reject] = []

    def write(self, rejects: Sequence[Reject]) -> None:
        self.rejects += rejects


class Unwatched:
    """Sets nothing aside."""

    def begin(self, messages: Sequence[Message]) -> tuple[list[Message], list[Reject]]:
        return list(messages), []

    def ahead(self, messages: Sequence[Message]) -> bool:
        return True

    def narrow(self, messages: Sequence[Message], ids: tuple[str | None, ...]) -> None: ...


class NoEnds:
    """Every batch was cut by count."""

    def __init__(self) -> None:
        self.added: list[int] = []

    def after(self, messages: int) -> int | None:
        return None

    def add(self, messages: int) -> None:
        self.added.append(messages)


class Clock:
    """Shows what it is told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Dripping(MemorySource):
    """A memory source whose polls bring at most so many messages each, again and again in this order."""

    def __init__(self, messages: Sequence[Message], *, drops: Sequence[int], finite: bool = True) -> None:
        super().__init__(messages, finite=finite)
        self.drops = list(drops)
        self.polls = 0

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        drop = self.drops[self.polls % len(self.drops)]
        self.polls += 1
        return super().poll(min(max_messages, drop), 0.0) if drop else []


def message(offset: int, *, id: str | None = None) -> Message:
    value, headers = encode_raw(np.full((2, 2), offset % 256, np.uint8), label=offset % 3, id=id)
    return Message(value, "memory", 0, offset, headers=headers)


def garbage(offset: int) -> Message:
    return Message(b"?", "memory", 0, offset, headers=(("label", b"1"), ("shape", b"2,2")))


def tombstone(offset: int) -> Message:
    return Message(None, "memory", 0, offset)


def an_intake(
    source: MemorySource,
    *,
    clock: Clock | None = None,
    codec: Codec | None = None,
    remembered_ids: int = 100,
    erased_ids: int = 100,
    max_classes: int = 10_000,
    max_tasks: int = 10_000,
    uses_tasks: bool = True,
    look_ahead: LookAhead | None = None,
) -> Intake:
    source.open(None)
    return Intake(
        source=source,
        codec=codec or Codec(),
        dead_letters=CollectedRejects(),
        failures=Unwatched(),
        ends=NoEnds(),
        batch_size=BATCH,
        linger_s=2.0,
        remembered_ids=remembered_ids,
        erased_ids=erased_ids,
        most=Most(max_classes, max_tasks, uses_tasks=uses_tasks),
        clock=clock or Clock(),
        look_ahead=look_ahead,
    )


def everything(intake: Intake) -> list[TakenBatch]:
    """Until the source is at its end."""
    batches = []
    for _ in range(10_000):
        taken = intake.next_batch(timeout_s=0.0)
        if taken is not None:
            batches.append(taken)
        elif intake.finished:
            return batches
    raise AssertionError("the intake never finished")


def first_pixels(batches: Sequence[TakenBatch]) -> list[list[int]]:
    return [taken.batch.inputs[:, 0, 0, 0].tolist() for taken in batches]
