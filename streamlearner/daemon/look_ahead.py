"""Batches that wait are polled before their turn, so that an eye sees them with the one before."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from streamlearner.daemon.intake_contracts import BatchWatch
from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Codec
from streamlearner.stream import Message, Position, Reject, Source

Decoded: TypeAlias = tuple[Batch, list[Reject]]


class SeesAhead(Protocol):
    """Who sees images before their turn (`eyes.ahead.SeenAhead` is one)."""

    def wanted(self, images: Tensor) -> int: ...

    def look(self, images: Tensor) -> None: ...


@dataclass(slots=True)
class Waiting:
    """A batch to be: its messages, the source's position after them, and what they decode to, where they are
    all that it will have and were decoded."""

    messages: list[Message]
    position: Position
    decoded: Decoded | None = None

    def is_all_of(self, messages: Sequence[Message]) -> bool:
        """Whether nothing came to these since they were polled ahead."""
        return len(messages) == len(self.messages)


class LookAhead:
    """Polls no more than what waits, and cuts it where the batches will end: each batch keeps the position
    after it, as if nothing had been polled behind it, and a run that is killed polls the rest again."""

    def __init__(self, eye: SeesAhead) -> None:
        self._eye = eye
        self._waiting: deque[Waiting] = deque()

    def waiting(self) -> Counter[int]:
        """How many messages of each partition were polled ahead, behind the next batch."""
        return Counter(message.partition for each in self._waiting for message in each.messages)

    def next(self) -> Waiting | None:
        """What was polled of the next batch."""
        return self._waiting.popleft() if self._waiting else None

    def look(
        self,
        images: Tensor,
        *,
        full_after: Callable[[int], int],
        source: Source,
        codec: Codec,
        failures: BatchWatch,
    ) -> None:
        """Lets these, [n, C, H, W] uint8, be seen together with those of the next batches, if that saves
        anything. `full_after` so many messages behind these: how many the batch there will have; 0 where
        that is not decided."""
        if self._waiting or not (wanted := self._eye.wanted(images)):
            return
        whole = self._poll(wanted, full_after, source)
        messages = [message for each in whole for message in each.messages]
        if not messages or not failures.ahead(messages) or not codec.ready(messages, timeout_s=0.0):
            return
        for each in whole:
            each.decoded = codec.decode(each.messages)
        self._eye.look(torch.cat([images, *(each.decoded[0].inputs for each in whole if each.decoded)]))

    def _poll(self, wanted: int, full_after: Callable[[int], int], source: Source) -> list[Waiting]:
        """The next batches, as many as have so many messages; those that are whole."""
        taken, whole = 0, []
        while taken < wanted and (full := full_after(taken)):
            messages: list[Message] = []
            while len(messages) < full and (arrived := source.poll(full - len(messages), 0.0)):
                messages += arrived
            if messages:
                self._waiting.append(Waiting(messages, source.position))
            if len(messages) < full:
                break
            whole.append(self._waiting[-1])
            taken += full
        return whole
