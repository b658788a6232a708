"""What methods with one network share: it learns awake and answers; the neocortex is a copy of it."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn

from streamlearner.methods.base import DualMemory, Experience, unit_interval
from streamlearner.methods.graphs import NetworkAnswers
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks.base import Network


class OneNetwork(DualMemory):
    """The hippocampus is a network that learns and answers; the neocortex, of the same architecture, changes
    only in sleep."""

    hippocampus: Network
    neocortex: Network

    def __init__(self, *, network: Network, learning_rate: float) -> None:
        super().__init__()
        self.hippocampus = network
        self.neocortex = copy.deepcopy(network).requires_grad_(False)
        self.seen_classes = SeenClasses()
        self.learning_rate = learning_rate

    def _register(self, experience: Experience) -> None:
        """Registers classes and tasks, and updates the input statistics, before the batch is learned."""
        self.seen_classes.register(experience.labels, experience.tasks)
        self.hippocampus.update_input_statistics(unit_interval(experience.inputs))
        for network in (self.hippocampus, self.neocortex):
            network.head.grow(self.classes)

    def _answers_before(self, experience: Experience) -> Tensor | None:
        """Classes [n] that are answered before a batch is learned; None where its first step tells the same,
        without a forward pass of their own."""
        if self.hippocampus.answers_as_it_trains:
            return None
        return self.predict_proba(experience.inputs, experience.tasks).argmax(1)

    @torch.no_grad()
    def _add_change_of_sleep(self, candidate: Self) -> None:
        """The neocortex becomes the candidate's. The hippocampus adds what sleep changed in the weights, and
        so keeps what it has learned awake since the sleep began."""
        before, after = candidate.hippocampus, candidate.neocortex
        for network in (before, after):
            network.head.grow(self.hippocampus.head.rows)
        self.neocortex.load_state_dict(after.state_dict())
        self.neocortex.head.grow(self.classes)
        weights = zip(self.hippocampus.weights, before.weights, after.weights, strict=True)
        for weight, before_sleep, after_sleep in weights:
            weight.add_(after_sleep - before_sleep)
        self.hippocampus.load_statistics(after)

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        """Classes that the version did not know have logit 0, like any new class."""
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
        return self.seen_classes.restricted(logits, tasks).softmax(1)

    def graph(self) -> nn.Module:
        return NetworkAnswers(self.hippocampus, self.seen_classes)

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        return self.hippocampus.eval().features(unit_interval(inputs))
