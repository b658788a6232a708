"""The daemon as a candidate beside its peers: from messages to weights, part by part of the stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.peers.answering import answers_of
from streamlearner.bench.peers.answering_daemon import DaemonCandidate, daemon_candidate
from streamlearner.bench.peers.mammoth import BATCH

SETTINGS: Settings = {
    "network.name": "mlp",
    "memory.sampling": "balanced",
    "daemon.batch_size": BATCH,
    "precision": "fp32",
}
"""Over the defaults: the peers' network, batch and number format."""


class Ours(DaemonCandidate):
    """The whole daemon, under the names of the peers."""

    def predict(self, images: Tensor) -> Tensor:
        return answers_of(self.answer, images)


@contextmanager
def ours(
    stream: Dataset, fixture: Fixture, *, budget_bits: int, seed: int, learning_rate: float
) -> Iterator[Ours]:
    """A daemon that waits for this stream, with a temporary state folder."""
    own = {"memory.budget_bits": budget_bits, "method.learning_rate": learning_rate, "seed": seed}
    with daemon_candidate(fixture, {**SETTINGS, **own}, stream) as found:
        yield Ours(found.daemon, found.source)
