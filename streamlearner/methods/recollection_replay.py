"""Learns each new example beside recollections of old ones, decoded from a reservoir of short codes.

After Riemer, Franceschini and Klinger, "Generation and Consolidation of Recollections for Efficient Deep
Lifelong Learning" (paper 003), sections 4.3 and 4.4.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.association import Association
from streamlearner.augmentation import Augmentation
from streamlearner.methods.base import (
    Chance,
    Curriculum,
    DualMemory,
    Experience,
    Observation,
    unit_interval,
)
from streamlearner.methods.remembering import Remembering
from streamlearner.network import AveragedNetwork, Network, descend
from streamlearner.recollection import RecollectionMemory

DISTORTION_EVERY_STEPS = 20
"""Measured now and then: each time costs as much as coding a batch."""


class Recalled(NamedTuple):
    """Decoded inputs [m, *input_shape] with labels [m] and tasks [m] (-1: none)."""

    inputs: Tensor
    labels: Tensor
    tasks: Tensor


class Step(NamedTuple):
    """One optimiser step: the answers [n] for the new inputs before it, its loss, and what it recollected."""

    predicted: Tensor
    loss: float
    recollected: Tensor


class RecollectionReplay(Remembering):
    """The default method: retention per bit by replaying decoded codes.

    One wake step (`observe`): sample recollections; learn new and old together; store the code of the new.
    Sleep (`consolidate`): learn class-balanced recollections with a falling step size, from the averaged
    weights (and, with `distillation`, held near their answers), so that the classes are evened out.

    Differs from the paper: the association may also be a transform codec that needs no training; new examples
    compete only among the classes of their own batch, recollections among all (asymmetric loss of ER-ACE,
    Caccia et al., 2022), because a blurry recollection must not be told from a sharp input by its blur; a few
    of the new inputs are learned as their own recollections too (echoes), so that a class that is alone in
    its batch is learned at once; averaged weights answer; a task named by the stream restricts the
    competition to its classes (GEM's protocol).
    """

    hippocampus: AveragedNetwork
    neocortex: Network
    waking_only = (*DualMemory.waking_only, "hippocampus.network")

    def __init__(
        self,
        *,
        chance: Chance,
        network: Network,
        association: Association,
        memory: RecollectionMemory,
        augmentation: Augmentation,
        learning_rate: float,
        recollections_per_step: int,
        echoes_per_step: int,
        steps: int,
        averaging_pace: float,
        distillation: float,
        sleep_steps: int,
        sleep_batch: int,
        sleep_learning_rate: float,
    ) -> None:
        super().__init__()
        self.chance = chance
        self.hippocampus = AveragedNetwork(network)
        self.neocortex = copy.deepcopy(network).requires_grad_(False)
        self.association = association
        self.memory = memory
        self.curriculum = Curriculum()
        self.augmentation = augmentation
        self.learning_rate = learning_rate
        self.recollections_per_step = recollections_per_step
        self.echoes_per_step = echoes_per_step
        self.steps = steps
        self.averaging_pace = averaging_pace
        self.distillation = distillation
        self.sleep_steps = sleep_steps
        self.sleep_batch = sleep_batch
        self.sleep_learning_rate = sleep_learning_rate

    def observe(self, experience: Experience) -> Observation:
        self._meet(experience)
        new = unit_interval(experience.inputs)
        self.hippocampus.network.meet(new)
        symbols = self.association.encode(new)
        first = step = self._learn(new, symbols, experience)
        for _ in range(self.steps - 1):
            step = self._learn(self._augmented(new), symbols, experience)
        distortion = (
            self._distortion(new, symbols) if self.hippocampus.steps % DISTORTION_EVERY_STEPS == 0 else None
        )
        self._remember(new, symbols, experience, step.recollected)
        return Observation(predicted=first.predicted, loss=step.loss, distortion_l1=distortion)

    def _meet(self, experience: Experience) -> None:
        if not self.curriculum.meet(experience.labels, experience.tasks):
            return
        for network in (self.hippocampus.network, self.hippocampus.average, self.neocortex):
            network.head.grow(self.classes)

    def _learn(self, new: Tensor, symbols: Tensor, experience: Experience) -> Step:
        """One optimiser step on new inputs and recollections together."""
        n = len(new)
        old = self._recall(symbols, experience)
        inputs = torch.cat([new, self._augmented(old.inputs)])
        network = self.hippocampus.network
        logits = network(inputs)[:, : self.classes]
        loss = self._loss(logits, experience, old)
        if self.distillation and len(old.inputs):
            loss = loss + self.distillation * self._drift(logits[n:], inputs[n:])
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        descend(network, learning_rate=self.learning_rate, loss=value)
        self.hippocampus.follow(pace=self.averaging_pace)
        predicted = self.curriculum.restricted(logits[:n].detach(), experience.tasks).argmax(1)
        return Step(predicted, value, old.inputs)

    def _recall(self, symbols: Tensor, experience: Experience) -> Recalled:
        """Decoded recollections, and echoes: a few of the new inputs as their own codes show them."""
        remembered = self.memory.sample(self.recollections_per_step)
        echoes = symbols[: self.echoes_per_step]
        tasks = experience.tasks if experience.tasks is not None else torch.full_like(experience.labels, -1)
        return Recalled(
            inputs=self.association.decode(torch.cat([remembered.symbols, echoes])),
            labels=torch.cat([remembered.labels, experience.labels[: len(echoes)]]),
            tasks=torch.cat([remembered.tasks, tasks[: len(echoes)]]),
        )

    def _loss(self, logits: Tensor, experience: Experience, old: Recalled) -> Tensor:
        """Asymmetric cross-entropy: new examples compete inside their batch (or task), the old among all."""
        n = len(experience.labels)
        if experience.tasks is None:
            absent = torch.ones(self.classes, dtype=torch.bool)
            absent[experience.labels] = False
            new = logits[:n].masked_fill(absent, -torch.inf)
        else:
            new = self.curriculum.restricted(logits[:n], experience.tasks)
        loss = F.cross_entropy(new, experience.labels)
        if not len(old.labels):
            return loss
        return loss + F.cross_entropy(self.curriculum.restricted(logits[n:], old.tasks), old.labels)

    def _drift(self, logits: Tensor, inputs: Tensor) -> Tensor:
        """How far the answers for recollections have left those of the averaged weights: mean square."""
        with torch.no_grad():
            teacher = self.hippocampus.average.eval()(inputs)[:, : self.classes]
        return F.mse_loss(logits, teacher)

    def _remember(self, new: Tensor, symbols: Tensor, experience: Experience, recollected: Tensor) -> None:
        """Stores the codes of the new; the association learns, and may renew itself and all codes first."""
        self.association.learn(new, recollected if len(recollected) else None)
        renewed = self.association.renew()
        if renewed is not None:
            former = self.association
            self.memory.recode(renewed.radices, lambda codes: renewed.encode(former.decode(codes)))
            self.association = renewed
            symbols = renewed.encode(new)
        self.memory.insert(symbols, experience.labels, experience.tasks)

    def _distortion(self, new: Tensor, symbols: Tensor) -> float:
        """Mean absolute error of the new inputs as their codes show them."""
        return float((self.association.decode(symbols) - new).abs().mean())

    def _augmented(self, inputs: Tensor) -> Tensor:
        return self.augmentation(inputs, generator=self.chance.generator)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.average.state_dict())
        student = candidate.neocortex.requires_grad_(True).train()
        for step in range(self.sleep_steps):
            dreamt = candidate.memory.sample_balanced(self.sleep_batch)
            inputs = candidate._augmented(candidate.association.decode(dreamt.symbols))
            logits = student(inputs)[:, : candidate.classes]
            loss = F.cross_entropy(candidate.curriculum.restricted(logits, dreamt.tasks), dreamt.labels)
            if self.distillation:
                loss = loss + self.distillation * candidate._drift(logits, inputs)
            loss.backward()  # type: ignore[no-untyped-call]
            rate = self.sleep_learning_rate * (1 - step / self.sleep_steps)
            descend(student, learning_rate=rate, loss=float(loss.detach()))
            yield
        student.requires_grad_(False)

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        """The averaged weights move by what sleep changed, keeping what was learned awake meanwhile; the fast
        learner starts again from them."""
        before, after = candidate.hippocampus.average, candidate.neocortex
        average = self.hippocampus.average
        for network in (before, after):
            network.head.grow(average.head.rows)
        for weight, former, slept in zip(average.weights, before.weights, after.weights, strict=True):
            weight.add_(slept - former)
        average.settle(after)
        self.neocortex.load_state_dict(after.state_dict())
        for weight, rested in zip(self.hippocampus.network.weights, average.weights, strict=True):
            weight.copy_(rested)
        self.hippocampus.network.settle(after)

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        self.neocortex.load_state_dict(neocortex)
        for network in (self.neocortex, self.hippocampus.network, self.hippocampus.average):
            if network is not self.neocortex:
                network.load_state_dict(neocortex)
            network.head.grow(self.classes)

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        logits = self.hippocampus.average.eval()(unit_interval(inputs))[:, : self.classes]
        return self.curriculum.restricted(logits, tasks).softmax(1)

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        return self.hippocampus.average.eval().features(unit_interval(inputs))
