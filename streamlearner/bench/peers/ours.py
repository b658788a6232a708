"""The daemon as a candidate beside its peers: from messages to weights, part by part of the stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.peers.mammoth import BATCH
from streamlearner.bench.peers.turns import TurnSource, run_turn

SETTINGS: Settings = {
    "network.name": "mlp",
    "memory.sampling": "balanced",
    "daemon.batch_size": BATCH,
    "precision": "fp32",
}
"""Over the defaults: the peers' network, batch and number format."""


class Ours:
    """The whole daemon, with exam, sleeps, checkpoints, metrics and serving."""

    def __init__(self, daemon: Any, source: TurnSource) -> None:
        self.daemon = daemon
        self.source = source

    @property
    def stored_bits(self) -> int:
        return sum(self.daemon.learner.method.stored_bits().values())

    @property
    def parameter_bits(self) -> int:
        return sum(self.daemon.learner.method.parameter_bits().values())

    def learn(self, images: Tensor, labels: Tensor) -> None:
        """Lets the daemon poll as many messages, which hold these very images."""
        self.source.left = len(labels)
        run_turn(self.daemon, self.source)

    def finish(self) -> None:
        while self.daemon.state.asleep:
            self.daemon.consolidate()

    def predict(self, images: Tensor) -> Tensor:
        predictor = self.daemon.learner.predictor()
        answers = [answer for part in torch.split(images, 500) for answer in predictor.predict(part)]
        return torch.tensor([int(answer.label) for answer in answers])


@contextmanager
def ours(
    stream: Dataset, fixture: Fixture, *, budget_bits: int, seed: int, learning_rate: float
) -> Iterator[Ours]:
    """A daemon that waits for this stream, with a temporary state folder."""
    own = {"memory.budget_bits": budget_bits, "method.learning_rate": learning_rate, "seed": seed}
    with fixture.daemon({**SETTINGS, **own}, fixture.messages(stream)) as daemon:
        source = TurnSource(daemon.state.source)
        daemon.state.intake.source = source
        try:
            daemon.serving.start()
            source.open(None)
            yield Ours(daemon, source)
        finally:
            daemon.close()
