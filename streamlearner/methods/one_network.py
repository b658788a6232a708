"""What methods with one network share: it learns awake and answers; the neocortex is another of its kind."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn

from streamlearner.methods.base import DualMemory, Experience, unit_interval
from streamlearner.methods.seen_classes import Curriculum
from streamlearner.networks.base import Network


class OneNetwork(DualMemory):
    """The hippocampus is a network, and answers; the neocortex one of the same kind, which rests awake."""

    hippocampus: Network
    neocortex: Network

    def __init__(self, *, network: Network, learning_rate: float) -> None:
        super().__init__()
        self.hippocampus = network
        self.neocortex = copy.deepcopy(network).requires_grad_(False)
        self.curriculum = Curriculum()
        self.learning_rate = learning_rate

    def _meet(self, experience: Experience) -> None:
        """Takes note of classes, tasks and the scale of inputs before they are learned."""
        self.curriculum.meet(experience.labels, experience.tasks)
        self.hippocampus.meet(unit_interval(experience.inputs))
        for network in (self.hippocampus, self.neocortex):
            network.head.grow(self.classes)

    @torch.no_grad()
    def _move(self, candidate: Self) -> None:
        """The neocortex is the candidate's; the hippocampus moves by what sleep changed, keeping what it
        learned awake meanwhile."""
        before, after = candidate.hippocampus, candidate.neocortex
        for network in (before, after):
            network.head.grow(self.hippocampus.head.rows)
        self.neocortex.load_state_dict(after.state_dict())
        self.neocortex.head.grow(self.classes)
        weights = zip(self.hippocampus.weights, before.weights, after.weights, strict=True)
        for weight, former, slept in weights:
            weight.add_(slept - former)
        self.hippocampus.settle(after)

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        """Of a class that the version had not met yet it then says 0, as of any that is new."""
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
