"""ER and ER-ACE on raw items of any shape, with the daemon's network; live and averaged weights answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.bench.material.stream_comparison import AVERAGED
from streamlearner.bench.peers.answering import BATCH, Candidate, nothing
from streamlearner.bench.peers.simple import ByClass, item_bits
from streamlearner.methods.base import unit_interval
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.by_name import build_network

DECAY = 0.99
"""Of the averaged weights, per batch."""


class RawReplay(Candidate):
    """Experience replay (Chaudhry et al., 2019): one step of plain SGD on each batch and as many raw items of
    a reservoir, as many as fit the budget. Network, first weights and step size are the daemon's.

    `asymmetric`: ER-ACE (Caccia et al., 2022): new items compete among the classes of their batch alone.
    `averaged` answers with an exponential average of the weights.
    """

    def __init__(self, *, budget_bits: int, seed: int, asymmetric: bool) -> None:
        self.budget_bits, self.seed, self.asymmetric = budget_bits, seed, asymmetric
        self.generator = torch.Generator().manual_seed(seed)
        self.classes = ByClass()
        self.network: Network | None = None
        self.average: Network | None = None
        self.items = torch.zeros(0)
        self.labels = torch.zeros(0, dtype=torch.int64)
        self.seen = 0

    def answer(self, inputs: Tensor) -> Tensor:
        return self._answer(self.network, inputs)

    def answer_averaged(self, inputs: Tensor) -> Tensor:
        return self._answer(self.average, inputs)

    def ways(self) -> Mapping[str, Callable[[Tensor], Tensor]]:
        return {"": self.answer, AVERAGED: self.answer_averaged}

    @torch.no_grad()
    def _answer(self, network: Network | None, inputs: Tensor) -> Tensor:
        if network is None:
            return nothing(inputs)
        logits = network.eval()(unit_interval(inputs))[:, : len(self.classes.labels)]
        return self.classes.named(logits.argmax(1))

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        numbers = self.classes.numbers(labels)
        network, average = self._networks(inputs)
        network.update_input_statistics(unit_interval(inputs))
        for each in (network, average):
            each.head.grow(len(self.classes.labels))
        held = min(self.seen, len(self.items))
        drawn = torch.randperm(held, generator=self.generator)[:BATCH]
        shown = torch.cat([inputs, self.items[drawn]])
        logits = network.train()(unit_interval(shown))[:, : len(self.classes.labels)]
        loss = self._loss(logits, numbers, self.labels[drawn])
        loss.backward()  # type: ignore[no-untyped-call]
        sgd_step(network, learning_rate=network.learning_rate, loss=float(loss.detach()))
        self._follow(network, average)
        self._remember(inputs, numbers)

    def _networks(self, inputs: Tensor) -> tuple[Network, Network]:
        """Made when the first inputs say of which shape."""
        if self.network is None or self.average is None:
            generator = torch.Generator().manual_seed(self.seed * 1000 + 1)  # the daemon's own
            shape = tuple(inputs.shape[1:])
            self.network = build_network(name="auto", input_shape=shape, generator=generator)
            self.average = copy.deepcopy(self.network).requires_grad_(False)
            self.items = inputs.new_zeros(self.budget_bits // item_bits(inputs), *shape)
            self.labels = torch.zeros(len(self.items), dtype=torch.int64)
        return self.network, self.average

    def _loss(self, logits: Tensor, new: Tensor, old: Tensor) -> Tensor:
        if not self.asymmetric:
            return F.cross_entropy(logits, torch.cat([new, old]))
        absent = torch.ones(logits.shape[1], dtype=torch.bool)
        absent[new] = False
        loss = F.cross_entropy(logits[: len(new)].masked_fill(absent, -torch.inf), new)
        return loss + F.cross_entropy(logits[len(new) :], old) if len(old) else loss

    @torch.no_grad()
    def _follow(self, network: Network, average: Network) -> None:
        torch._foreach_lerp_(average.weights, network.weights, 1 - DECAY)
        for own, theirs in zip(average.all_buffers, network.all_buffers, strict=True):
            own.copy_(theirs)

    def _remember(self, inputs: Tensor, numbers: Tensor) -> None:
        """Algorithm R (Vitter, 1985)."""
        for item, number in zip(inputs, numbers, strict=True):
            place = self.seen
            if place >= len(self.items):
                place = int(torch.randint(self.seen + 1, (), generator=self.generator))
            self.seen += 1
            if place < len(self.items):
                self.items[place], self.labels[place] = item, number

    @property
    def stored_bits(self) -> int:  # type: ignore[override]
        return min(self.seen, len(self.items)) * item_bits(self.items) if self.seen else 0

    @property
    def parameter_bits(self) -> int:  # type: ignore[override]
        if self.network is None:
            return 0
        return sum(
            8 * each.numel() * each.element_size()
            for each in self.network.state_dict().values()
            if isinstance(each, Tensor)
        )
