"""A candidate and the baseline learn one stream in turns, so that a machine that slows, slows both."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.bench.peers.mammoth import BATCH, INPUT_SHAPE, PACKED, Answering
from streamlearner.methods.base import unit_interval
from streamlearner.networks.base import descend

STRETCHES = 10
YARDSTICK_PART = 5
"""In each stretch an arm learns its share and the baseline the first fifth of the same."""


class Candidate(Protocol):
    """Who learns the stream, stretch by stretch, and answers after it."""

    @property
    def stored_bits(self) -> int: ...

    @property
    def parameter_bits(self) -> int: ...

    def learn(self, images: Tensor, labels: Tensor) -> None:
        """The next of the stream, in batches of ten: images [n, 1, 28, 28] uint8, labels [n] int64."""

    def finish(self) -> None:
        """What is left to do after the stream; on the clock."""

    def answer(self, images: Tensor) -> Tensor:
        """Labels [n] for images [n, 1, 28, 28] uint8."""


class BareLoop(Answering):
    """The baseline: experience replay of raw bytes and nothing around it, as a script would have it."""

    def __init__(self, *, budget_bits: int, seed: int, learning_rate: float) -> None:
        super().__init__(seed=seed)
        capacity = budget_bits // PACKED.item_bits()
        self.learning_rate = learning_rate
        self.generator = torch.Generator().manual_seed(seed)
        self.images = torch.zeros(capacity, *INPUT_SHAPE, dtype=torch.uint8)
        self.labels = torch.zeros(capacity, dtype=torch.uint8)
        self.seen = 0

    @property
    def stored_bits(self) -> int:
        return min(self.seen, len(self.images)) * PACKED.item_bits()

    def learn(self, images: Tensor, labels: Tensor) -> None:
        for new, targets in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True):
            old = torch.randperm(min(self.seen, len(self.images)), generator=self.generator)[:BATCH]
            logits = self.logits(unit_interval(torch.cat([new, self.images[old]])))
            loss = F.cross_entropy(logits, torch.cat([targets, self.labels[old].long()]))
            loss.backward()  # type: ignore[no-untyped-call]
            descend(self.network, learning_rate=self.learning_rate, loss=float(loss.detach()))
            self._remember(new, targets)

    def _remember(self, images: Tensor, labels: Tensor) -> None:
        """Algorithm R for a batch at once: of two that land in one place, one stays."""
        met = torch.arange(self.seen, self.seen + len(labels))
        drawn = (torch.rand(len(labels), generator=self.generator, dtype=torch.float64) * (met + 1)).long()
        places = torch.where(met < len(self.images), met, drawn)
        kept = places < len(self.images)
        self.images[places[kept]], self.labels[places[kept]] = images[kept], labels[kept].to(torch.uint8)
        self.seen += len(labels)


class Pace(NamedTuple):
    """Seconds of an arm over the stream, and its examples per CPU second over the baseline's."""

    seconds: float
    against_bare_loop: float


def race(candidate: Candidate, baseline: Candidate, images: Tensor, labels: Tensor) -> Pace:
    """The candidate learns the whole stream; the baseline a fifth, in turns with it."""
    stretch = -(-len(labels) // (STRETCHES * BATCH)) * BATCH
    few = max(stretch // YARDSTICK_PART // BATCH, 1) * BATCH
    spent, yard, measured = np.zeros(2), np.zeros(2), 0
    for part, targets in zip(torch.split(images, stretch), torch.split(labels, stretch), strict=True):
        spent += timed(partial(candidate.learn, part, targets))
        yard += timed(partial(baseline.learn, part[:few], targets[:few]))
        measured += len(targets[:few])
    spent += timed(candidate.finish)
    seconds, busy = spent.tolist()
    return Pace(seconds, (len(labels) / busy) / (measured / float(yard[1])))


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock, and of this process on the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor
