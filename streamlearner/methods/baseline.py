"""What the baselines share: one network that learns awake; its sleep only takes a copy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

from streamlearner.methods.base import Experience, Observation
from streamlearner.methods.components import Components
from streamlearner.methods.one_network import OneNetwork
from streamlearner.networks.base import Network


class Baseline(OneNetwork):
    """`steps` optimiser steps for each batch, which is answered before the first. The neocortex is the copy
    that the last sleep took, so that versions and rollback work."""

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
        self._meet(experience)
        answered = self._learn(experience)
        for _ in range(self.steps - 1):
            self._learn(experience)
        return answered

    @abstractmethod
    def _learn(self, experience: Experience) -> Observation:
        """One step on the batch, and what was answered and lost before it."""

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        yield

    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.neocortex.head.grow(self.classes)
