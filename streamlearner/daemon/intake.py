"""From the source to a batch: gather messages by count, decode, set rejects aside, skip what was seen."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import Codec
from streamlearner.stream import Message, Position, Reject, Source


class DeadLetterBox(Protocol):
    """Where rejects go (`streamlearner.connectors.dead_letters.DeadLetters` is one)."""

    def write(self, rejects: Sequence[Reject]) -> None: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """One batch cut from the stream, and the position after it. `batch` holds only what is new and valid."""

    messages: int
    batch: Batch
    rejects: dict[str, int]
    duplicates: int
    position: Position


class RememberedIds:
    """The ids of the last `window` examples, 8 bytes each, so that a producer's re-send is learned once."""

    def __init__(self, *, window: int) -> None:
        self.window = window
        self._ids: OrderedDict[int, None] = OrderedDict()

    def admit(self, example_id: str) -> bool:
        """True for a new id, which is then remembered; False for one in the window."""
        if not self.window:
            return True
        digest = hashlib.blake2b(example_id.encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "little", signed=True)
        if key in self._ids:
            return False
        self._ids[key] = None
        if len(self._ids) > self.window:
            self._ids.popitem(last=False)
        return True

    def state(self) -> Tensor:
        """[n] int64, oldest first."""
        return torch.tensor(list(self._ids), dtype=torch.int64)

    def restore(self, ids: Tensor) -> None:
        self._ids = OrderedDict.fromkeys(ids.tolist()[-self.window :] if self.window else [])


class Intake:
    """Cuts the stream into batches.

    A batch is `batch_size` messages, counted before any is judged, so that where the cuts fall depends on
    the stream alone and a replay after a crash meets the same batches. Only when the source has had nothing
    more for `linger_s` are fewer taken.
    """

    def __init__(
        self,
        *,
        source: Source,
        codec: Codec,
        dead_letters: DeadLetterBox,
        batch_size: int,
        linger_s: float,
        remembered_ids: int,
        clock: Callable[[], float],
    ) -> None:
        self.source = source
        self.codec = codec
        self.dead_letters = dead_letters
        self.batch_size = batch_size
        self.linger_s = linger_s
        self.ids = RememberedIds(window=remembered_ids)
        self._clock = clock
        self._pending: list[Message] = []
        self._heard_at = clock()

    def take(self, *, timeout_s: float) -> Delivery | None:
        """The next batch, or None where there is not enough yet; waits up to `timeout_s`."""
        arrived = self.source.poll(self.batch_size - len(self._pending), timeout_s)
        if arrived:
            self._heard_at = self._clock()
            self._pending += arrived
        if len(self._pending) < self.batch_size and not (self._pending and self.idle):
            return None
        messages, self._pending = self._pending, []
        return self._judge(messages)

    @property
    def idle(self) -> bool:
        """True when the source has had nothing for `linger_s` and says that nothing waits (a lost one
        cannot)."""
        if self.source.exhausted:
            return True
        waited = self._clock() - self._heard_at >= self.linger_s
        return waited and self.source.connected and not any(self.source.lag().values())

    @property
    def finished(self) -> bool:
        """True when a finite source has been taken to its end."""
        return self.source.exhausted and not self._pending

    def _judge(self, messages: list[Message]) -> Delivery:
        batch, rejects = self.codec.decode(messages)
        if rejects:
            self.dead_letters.write(rejects)
        fresh = [i for i, name in enumerate(batch.ids) if name is None or self.ids.admit(name)]
        duplicates = len(batch) - len(fresh)
        return Delivery(
            messages=len(messages),
            batch=batch.select(fresh) if duplicates else batch,
            rejects=dict(Counter(reject.reason for reject in rejects)),
            duplicates=duplicates,
            position=self.source.position,
        )
