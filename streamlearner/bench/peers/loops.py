"""Loops without a daemon around them, as a researcher's script has them: what the daemon is compared with."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.bench.kit.fixture import Dataset
from streamlearner.bench.peers.turns import Taken
from streamlearner.methods.base import Experience, unit_interval

BATCH, OLD = 10, 12
"""New examples of a step, and old ones: as the default method has them, 10 recollections and 2 views."""
HELD = 600
LEARNING_RATE, EMA_STEP = 0.05, 0.005


class Loop(Protocol):
    def step(self, inputs: Tensor, labels: Tensor, *, steps: int = 1) -> None:
        """Learns one batch, raw as messages hold it; in so many optimiser steps, where the loop is one of
        the method's own steps."""


def learn_all(loop: Loop, inputs: Tensor, labels: Tensor) -> None:
    """In batches of ten."""
    learn_as(loop, inputs, labels, [Taken(BATCH, 1)] * -(-len(labels) // BATCH))


def learn_as(loop: Loop, inputs: Tensor, labels: Tensor, taken: Sequence[Taken]) -> None:
    """In batches as the daemon took them, with as many steps: what it withheld is left out at the end."""
    start = 0
    for examples, steps in taken:
        if examples:
            part = slice(start, start + examples)
            loop.step(inputs[part], labels[part], steps=steps)
            start += examples


class ObserveAlone:
    """The method's own `observe`, from ready tensors."""

    def __init__(self, method: Any) -> None:
        self.method = method.clone()

    def step(self, inputs: Tensor, labels: Tensor, *, steps: int = 1) -> None:
        self.method.observe(Experience(inputs=inputs, labels=labels, changing=steps > 1))


class OwnSteps:
    """The optimiser steps that `method` takes: its network, batch shapes, augmentation, loss terms and weight
    averaging, on ready tensors. Nothing is encoded, stored, counted or answered."""

    def __init__(self, method: Any, *, input_shape: tuple[int, ...], seed: int) -> None:
        self.network: nn.Module = copy.deepcopy(method.hippocampus.network).train()
        self.average: nn.Module = copy.deepcopy(self.network).requires_grad_(False)
        self.weights, self.averaged = list(self.network.parameters()), list(self.average.parameters())
        self.optimiser = torch.optim.SGD(self.weights, lr=LEARNING_RATE)
        self.augmentation = method.augmentation
        self.classes = method.classes
        self.generator = torch.Generator().manual_seed(seed)
        self.old = torch.rand(HELD, *input_shape, generator=self.generator)
        self.old_labels = torch.randint(self.classes, (HELD,), generator=self.generator)

    def step(self, inputs: Tensor, labels: Tensor, *, steps: int = 1) -> None:
        new = unit_interval(inputs)
        self._step(new, labels)
        for _ in range(steps - 1):  # as the method, which learns them augmented from the second step on
            self._step(self.augmentation(new, generator=self.generator), labels)

    def _step(self, new: Tensor, labels: Tensor) -> None:
        drawn = torch.randint(HELD, (OLD,), generator=self.generator)
        old = self.augmentation(self.old[drawn], generator=self.generator)
        logits = self.network(torch.cat([new, old]))[:, : self.classes]
        loss = er_ace(logits, labels, self.old_labels[drawn])
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.averaged, self.weights, EMA_STEP)


class BareErAce:
    """ER-ACE (Caccia et al., 2022) with raw items: a reservoir, 12 of it in each step, plain SGD; of
    `network` as it is. No augmentation, no averaged weights, nothing answers."""

    def __init__(self, network: nn.Module, *, classes: int, input_shape: tuple[int, ...], seed: int) -> None:
        self.network, self.classes = copy.deepcopy(network).train(), classes
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=LEARNING_RATE)
        self.generator = torch.Generator().manual_seed(seed)
        self.held = torch.zeros(HELD, *input_shape)
        self.labels = torch.zeros(HELD, dtype=torch.int64)
        self.seen = 0

    def step(self, inputs: Tensor, labels: Tensor, *, steps: int = 1) -> None:
        new, there = unit_interval(inputs), min(self.seen, HELD)
        drawn = torch.randint(there, (OLD,), generator=self.generator) if there else torch.arange(0)
        logits = self.network(torch.cat([new, self.held[drawn]]))[:, : self.classes]
        loss = er_ace(logits, labels, self.labels[drawn])
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self._remember(new, labels)

    def _remember(self, new: Tensor, labels: Tensor) -> None:
        """Algorithm R."""
        for example, label in zip(new, labels, strict=True):
            place = self.seen
            if place >= HELD:
                place = int(torch.randint(self.seen + 1, (), generator=self.generator))
            if place < HELD:
                self.held[place], self.labels[place] = example, label
            self.seen += 1


def er_ace(logits: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """The new, which come first, compete among their own classes, the old among all."""
    absent = torch.ones(logits.shape[1], dtype=torch.bool)
    absent[new] = False
    loss = F.cross_entropy(logits[: len(new)].masked_fill(absent, -torch.inf), new)
    return loss + F.cross_entropy(logits[len(new) :], old) if len(old) else loss


def tensors_of(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """As a method takes them: images [n, 1, H, W] uint8 or vectors [n, d] float32, labels [n]."""
    inputs = torch.from_numpy(dataset.images)
    labels = torch.tensor([int(label) for label in dataset.labels])
    return (inputs[:, None] if inputs.ndim == 3 else inputs), labels
