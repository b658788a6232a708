"""All of a stream at once, many times and in any order: a reference, which no learner of a stream can be."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.bench.peers.answering import Scoring
from streamlearner.bench.peers.simple import ByClass
from streamlearner.methods.base import unit_interval
from streamlearner.networks.adam import Adam
from streamlearner.networks.base import Network
from streamlearner.networks.by_name import build_network

SHOWN = 30_000
"""Examples shown in all, each as often as that allows: at least twice and at most 50 times."""
JOINT_BATCH = 32
RATE = 1e-3


class Joint(Scoring):
    """The daemon's network, taught by Adam on shuffled batches of all that `learn` is given."""

    def __init__(self, *, seed: int, shown: int = SHOWN) -> None:
        self.seed, self.shown = seed, shown
        self.classes = ByClass()
        self.network: Network | None = None

    @torch.no_grad()
    def scores(self, inputs: Tensor) -> Tensor:
        if self.network is None:
            return torch.zeros(len(inputs), 0)
        logits = self.network.eval()(unit_interval(inputs))[:, : len(self.classes.labels)]
        return self.classes.by_label(logits)

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        generator = torch.Generator().manual_seed(self.seed * 1000 + 1)
        numbers = self.classes.numbers(labels)
        network = build_network(name="auto", input_shape=tuple(inputs.shape[1:]), generator=generator)
        network.update_input_statistics(unit_interval(inputs))
        network.head.grow(len(self.classes.labels))
        self.network = network.train()
        weights = network.weights
        optimiser = Adam(count=sum(each.numel() for each in weights))
        epochs = min(max(self.shown // len(labels), 2), 50)
        order = torch.cat([torch.randperm(len(labels), generator=generator) for _ in range(epochs)])
        batches = torch.split(order, JOINT_BATCH)
        for step, chosen in enumerate(batches):
            logits = network(unit_interval(inputs[chosen]))[:, : len(self.classes.labels)]
            loss = F.cross_entropy(logits, numbers[chosen])
            rate = RATE * (1 - step / len(batches))
            optimiser.step(weights, torch.autograd.grad(loss, weights), learning_rate=rate)
