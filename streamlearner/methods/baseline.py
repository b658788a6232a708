"""What the baselines share: one network that learns awake; sleep only copies it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

from streamlearner.methods.base import Experience, Observation
from streamlearner.methods.components import Components
from streamlearner.methods.one_network import OneNetwork
from streamlearner.networks.base import Network


class Baseline(OneNetwork):
    """`steps` optimiser steps on each batch; predictions are made before the first. The neocortex is a copy
    of the hippocampus from the last adopted sleep, for model versions and rollback."""

    def __init__(self, *, network: Network, learning_rate: float, steps: int = 1) -> None:
        super().__init__(network=network, learning_rate=learning_rate)
        self.steps = steps

    @classmethod
    def build(cls, settings: Any, components: Components) -> Self:
        return cls(
            network=components.network,
            learning_rate=components.network.learning_rate,
            steps=components.steps,
        )

    def observe(self, experience: Experience) -> Observation:
        self._register(experience)
        before = self._answers_before(experience)
        first = self._learn(experience)
        for _ in range(self.steps - 1):
            self._learn(experience)
        return first if before is None else replace(first, predicted=before)

    @abstractmethod
    def _learn(self, experience: Experience) -> Observation:
        """One optimiser step on the batch. Returns predictions and loss from before it."""

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        yield

    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.neocortex.head.grow(self.classes)
