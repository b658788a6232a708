"""A candidate and the baseline learn one stream in turns, so that a machine that slows down slows both."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.bench.peers.mammoth import BATCH, INPUT_SHAPE, PACKED, PeerNetwork
from streamlearner.methods.base import unit_interval
from streamlearner.networks.base import sgd_step

PARTS = 10
BASELINE_ONE_IN = 5
"""The stream comes in ten parts; of each the candidate learns all and the baseline the first fifth."""


class Candidate(Protocol):
    """What learns the stream, part by part, and is tested after it."""

    @property
    def stored_bits(self) -> int: ...

    @property
    def parameter_bits(self) -> int: ...

    def learn(self, images: Tensor, labels: Tensor) -> None:
        """Learns the next part of the stream in batches of ten: images [n, 1, 28, 28] uint8, labels [n]
        int64."""

    def finish(self) -> None:
        """Does what remains after the stream, and is timed too."""

    def predict(self, images: Tensor) -> Tensor:
        """Labels [n] for images [n, 1, 28, 28] uint8."""


class BareReplay(PeerNetwork):
    """The baseline, arm `bare_loop`: experience replay of raw bytes and nothing around it."""

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
            sgd_step(self.network, learning_rate=self.learning_rate, loss=float(loss.detach()))
            self._remember(new, targets)

    def _remember(self, images: Tensor, labels: Tensor) -> None:
        """Algorithm R for a batch at once; of two items that get the same place, one is stored."""
        arrived = torch.arange(self.seen, self.seen + len(labels))
        drawn = (
            torch.rand(len(labels), generator=self.generator, dtype=torch.float64) * (arrived + 1)
        ).long()
        places = torch.where(arrived < len(self.images), arrived, drawn)
        kept = places < len(self.images)
        self.images[places[kept]], self.labels[places[kept]] = images[kept], labels[kept].to(torch.uint8)
        self.seen += len(labels)


class Speed(NamedTuple):
    """Seconds of a candidate over the stream; its examples per CPU second over the baseline's."""

    seconds: float
    against_bare_loop: float


def learn_in_turns(candidate: Candidate, baseline: Candidate, images: Tensor, labels: Tensor) -> Speed:
    """The candidate learns the whole stream and the baseline a fifth of it, in turns."""
    part_length = -(-len(labels) // (PARTS * BATCH)) * BATCH
    few = max(part_length // BASELINE_ONE_IN // BATCH, 1) * BATCH
    spent, baseline_spent, measured = np.zeros(2), np.zeros(2), 0
    for part, targets in zip(torch.split(images, part_length), torch.split(labels, part_length), strict=True):
        spent += clock_and_cpu_seconds(partial(candidate.learn, part, targets))
        baseline_spent += clock_and_cpu_seconds(partial(baseline.learn, part[:few], targets[:few]))
        measured += len(targets[:few])
    spent += clock_and_cpu_seconds(candidate.finish)
    seconds, busy = spent.tolist()
    return Speed(seconds, (len(labels) / busy) / (measured / float(baseline_spent[1])))


def clock_and_cpu_seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock, and of this process on the CPU."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor
