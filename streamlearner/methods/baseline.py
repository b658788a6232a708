"""What the baselines share: one network that learns awake; its sleep only takes a copy."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn

from streamlearner.curriculum import Curriculum
from streamlearner.methods.base import DualMemory, Experience, unit_interval
from streamlearner.network import Network


class Baseline(DualMemory):
    """One network. The neocortex is the copy that the last sleep took, so that versions and rollback work."""

    hippocampus: Network
    neocortex: Network

    def __init__(self, *, network: Network, learning_rate: float) -> None:
        super().__init__()
        self.hippocampus = network
        self.neocortex = copy.deepcopy(network).requires_grad_(False)
        self.curriculum = Curriculum()
        self.learning_rate = learning_rate

    def _meet(self, experience: Experience) -> None:
        self.curriculum.meet(experience.labels, experience.tasks)
        self.hippocampus.meet(unit_interval(experience.inputs))
        self.hippocampus.head.grow(self.classes)
        self.neocortex.head.grow(self.classes)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        yield

    def adopt(self, candidate: Self) -> None:
        self.neocortex.load_state_dict(candidate.neocortex.state_dict())
        self.neocortex.head.grow(self.classes)

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        for network in (self.neocortex, self.hippocampus):
            network.load_state_dict(neocortex)
            network.head.grow(self.classes)

    def switch(self, network: nn.Module) -> None:
        assert isinstance(network, Network)
        self.hippocampus = copy.deepcopy(network).requires_grad_(True)
        self.neocortex = copy.deepcopy(network).requires_grad_(False)
        for one in (self.hippocampus, self.neocortex):
            one.head.grow(self.classes)
        self.learning_rate = network.learning_rate

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        logits = self.hippocampus.eval()(unit_interval(inputs))[:, : self.classes]
        return self.curriculum.restricted(logits, tasks).softmax(1)

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        return self.hippocampus.eval().features(unit_interval(inputs))
