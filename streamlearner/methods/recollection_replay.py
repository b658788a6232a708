"""Learns each new example beside recollections of old ones, decoded from a reservoir of short codes.

After Riemer, Franceschini and Klinger, "Generation and Consolidation of Recollections for Efficient Deep
Lifelong Learning" (paper 003), sections 4.3 and 4.4.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Chance, DualMemory, Experience, Observation, unit_interval
from streamlearner.methods.components import Components, Sleep
from streamlearner.methods.recalling import Recall, Recalled, asymmetric_cross_entropy
from streamlearner.methods.remembering import Remembering
from streamlearner.methods.seen_classes import Curriculum
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import AveragedNetwork, Network, descend
from streamlearner.registry.methods import RecollectionReplaySection

DISTORTION_EVERY_STEPS = 20
"""Measured now and then: each time costs as much as coding a batch."""


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
    augmentation: Augmentation
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
        recall: Recall,
        steps: int,
        averaging_pace: float,
        distillation: float,
        teacher_targets: bool,
        sleep: Sleep,
    ) -> None:
        super().__init__()
        self.chance = chance
        self.hippocampus = AveragedNetwork(network, own_statistics=distillation > 0 or teacher_targets)
        self.neocortex = copy.deepcopy(network).requires_grad_(False)
        self.association = association
        self.memory = memory
        self.curriculum = Curriculum()
        self.augmentation = augmentation
        self.learning_rate = learning_rate
        self.recall = recall
        self.steps = steps
        self.averaging_pace = averaging_pace
        self.distillation = distillation
        self.teacher_targets = teacher_targets
        self.sleep = sleep

    @classmethod
    def build(cls, settings: RecollectionReplaySection, components: Components) -> Self:
        chance = components.chance()
        association = components.make_association(chance)
        return cls(
            chance=chance,
            network=components.network,
            association=association,
            memory=components.make_memory(association),
            augmentation=components.augmentation,
            learning_rate=components.network.learning_rate,
            recall=Recall(
                recollections=components.recollections_per_step,
                echoes=settings.views_per_step,
                candidates=settings.candidates,
            ),
            steps=components.steps,
            averaging_pace=round(1.0 - settings.ema_decay, 12),  # 1 - 0.995 is not quite 0.005
            distillation=settings.distillation,
            teacher_targets=settings.targets == "teacher",
            sleep=components.sleep,
        )

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
        n, network = len(new), self.hippocampus.network
        old = self.recall(
            experience,
            symbols,
            memory=self.memory,
            association=self.association,
            student=network,
            curriculum=self.curriculum,
        )
        inputs = torch.cat([new, self._augmented(old.inputs)])
        logits = network(inputs)[:, : self.classes]
        loss = self._loss(logits, inputs, experience, old)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        descend(network, learning_rate=self.learning_rate, loss=value)
        self.hippocampus.follow(pace=self.averaging_pace)
        predicted = self.curriculum.restricted(logits[:n].detach(), experience.tasks).argmax(1)
        return Step(predicted, value, old.inputs)

    def _loss(self, logits: Tensor, inputs: Tensor, experience: Experience, old: Recalled) -> Tensor:
        """Asymmetric cross-entropy; with distillation, also how far the answers for recollections have left
        those of the averaged weights (mean square)."""
        n, targets, teacher = len(experience.labels), None, None
        if self.hippocampus.own_statistics:
            teacher = self.hippocampus.teach(inputs)[n:, : self.classes]
        if teacher is not None and self.teacher_targets:
            targets = self.curriculum.restricted(teacher, old.tasks).softmax(1)
            targets[old.remembered :] = F.one_hot(old.labels[old.remembered :], self.classes).to(targets)
        loss = asymmetric_cross_entropy(logits, experience, old, curriculum=self.curriculum, targets=targets)
        if teacher is None or not self.distillation or not len(teacher):
            return loss
        return loss + self.distillation * F.mse_loss(logits[n:], teacher)

    def _drift(self, logits: Tensor, inputs: Tensor) -> Tensor:
        """How far the answers for recollections have left those of the averaged weights: mean square."""
        with torch.no_grad():
            teacher = self.hippocampus.average.eval()(inputs)[:, : self.classes]
        return F.mse_loss(logits, teacher)

    def _distortion(self, new: Tensor, symbols: Tensor) -> float:
        """Mean absolute error of the new inputs as their codes show them."""
        return float((self.association.decode(symbols) - new).abs().mean())

    def _augmented(self, inputs: Tensor) -> Tensor:
        return self.augmentation(inputs, generator=self.chance.generator)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.average.state_dict())
        student = candidate.neocortex.requires_grad_(True).train()
        for step in range(self.sleep.steps):
            dreamt = candidate.memory.sample_balanced(self.sleep.batch_size)
            inputs = candidate._augmented(candidate.association.decode(dreamt.symbols))
            logits = student(inputs)[:, : candidate.classes]
            loss = F.cross_entropy(candidate.curriculum.restricted(logits, dreamt.tasks), dreamt.labels)
            if self.distillation:
                loss = loss + self.distillation * candidate._drift(logits, inputs)
            loss.backward()  # type: ignore[no-untyped-call]
            rate = (self.sleep.learning_rate or self.learning_rate) * (1 - step / self.sleep.steps)
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

    def switch(self, network: nn.Module) -> None:
        assert isinstance(network, Network)
        learner = copy.deepcopy(network).requires_grad_(True).train()
        self.hippocampus = AveragedNetwork(
            learner, steps=self.hippocampus.steps, own_statistics=self.hippocampus.own_statistics
        )
        self.neocortex = copy.deepcopy(network).requires_grad_(False)
        for one in (self.hippocampus.network, self.hippocampus.average, self.neocortex):
            one.head.grow(self.classes)
        self.learning_rate = network.learning_rate

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        logits = self.hippocampus.average.eval()(unit_interval(inputs))[:, : self.classes]
        return self.curriculum.restricted(logits, tasks).softmax(1)

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        return self.hippocampus.average.eval().features(unit_interval(inputs))
