"""The daemon as one that answers a stream and learns it: with the answers of POST /v1/predict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset, Fixture, Settings
from streamlearner.bench.peers.answering import Candidate, nothing
from streamlearner.bench.peers.turns import TurnSource, run_turn


class DaemonCandidate(Candidate):
    """The whole daemon, with exam, sleeps, checkpoints, metrics and serving. What answers is its predictor as
    it is now: what is served, but for the age of the copy."""

    def __init__(self, daemon: Any, source: TurnSource) -> None:
        self.daemon = daemon
        self.source = source

    def answer(self, inputs: Tensor) -> Tensor:
        learner = self.daemon.learner
        if learner is None or not (predictor := learner.predictor()).ready:
            return nothing(inputs)
        return torch.tensor([int(answer.label) for answer in predictor.predict(inputs)])

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        """Lets the daemon poll as many messages, which hold these very examples."""
        self.source.left = len(labels)
        run_turn(self.daemon, self.source)

    def finish(self) -> None:
        while self.daemon.state.asleep:
            self.daemon.consolidate()

    @property
    def stored_bits(self) -> int:  # type: ignore[override]
        return sum(self.daemon.learner.method.stored_bits().values())

    @property
    def parameter_bits(self) -> int:  # type: ignore[override]
        return sum(self.daemon.learner.method.parameter_bits().values())


@contextmanager
def daemon_candidate(fixture: Fixture, settings: Settings, stream: Dataset) -> Iterator[DaemonCandidate]:
    """A daemon that waits for this stream, with a temporary state folder."""
    with fixture.daemon(settings, fixture.messages(stream)) as daemon:
        source = TurnSource(daemon.state.source)
        daemon.state.intake.source = source
        try:
            daemon.serving.start()
            source.open(None)
            yield DaemonCandidate(daemon, source)
        finally:
            daemon.close()
