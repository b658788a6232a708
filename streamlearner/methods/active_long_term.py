"""Learns the new with a flexible network that is held near a stable one; sleep makes the stable one anew.

After Furlanello, Zhao, Saxe, Itti and Tjan, "Active Long Term Memory Networks" (paper 000), sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Chance, Experience, Observation, unit_interval
from streamlearner.methods.components import Components, Sleep
from streamlearner.methods.one_network import OneNetwork
from streamlearner.methods.remembering import Remembering
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network, descend
from streamlearner.networks.distillation import teach
from streamlearner.registry.methods import ActiveLongTermSection


class ActiveLongTerm(OneNetwork, Remembering):
    """A-LTM: N, the stable network, is the neocortex; H, the flexible one, the hippocampus, and answers.

    Development lasts until the first sleep that is adopted: H learns, N knows nothing. From then on H learns
    the new with cross-entropy, and `distillation_weight` times the squared distance between the decision
    layers of N and H: on recollections of classes that N knows (`replays`), or on the new inputs themselves
    (naive). N does not move awake. Sleep (`consolidate`): N takes over H's weights and learns
    recollections, of each class equally many; the one that ends development takes over the weights alone.

    Differs: the paper leaves the consolidation of H into N to later work. Old inputs are recollections,
    decoded from codes, not images kept. A decision layer is the classes of a named task or factor; where
    none is named, all classes make one. New classes of the same layer are held, too, at N's 0 for them:
    else the new would win everything. (The paper's factors never compete; one head's classes do.)
    """

    augmentation: Augmentation
    settled: Tensor

    def __init__(
        self,
        *,
        chance: Chance,
        network: Network,
        association: Association,
        memory: RecollectionMemory,
        augmentation: Augmentation,
        learning_rate: float,
        distillation_weight: float,
        replays: bool,
        recollections_per_step: int,
        sleep: Sleep,
    ) -> None:
        super().__init__(network=network, learning_rate=learning_rate)
        self.chance = chance
        self.association = association
        self.memory = memory
        self.augmentation = augmentation
        self.distillation_weight = distillation_weight
        self.replays = replays
        self.recollections_per_step = recollections_per_step
        self.sleep = sleep
        self.register_buffer("settled", torch.tensor(0))

    @classmethod
    def build(cls, settings: ActiveLongTermSection, components: Components) -> Self:
        chance = components.chance()
        association = components.make_association(chance)
        return cls(
            chance=chance,
            network=components.network,
            association=association,
            memory=components.make_memory(association),
            augmentation=components.augmentation,
            learning_rate=components.network.learning_rate,
            distillation_weight=settings.distillation_weight,
            replays=settings.inputs == "replay",
            recollections_per_step=components.recollections_per_step,
            sleep=components.sleep,
        )

    @property
    def settled_classes(self) -> int:
        """How many classes N knows: 0 during development."""
        return int(self.settled)

    def observe(self, experience: Experience) -> Observation:
        self._meet(experience)
        new, n = unit_interval(experience.inputs), len(experience.labels)
        symbols = self.association.encode(new)
        old, mattering = self._recalled(new)
        logits = self.hippocampus.train()(torch.cat([new, old]))[:, : self.classes]
        answers = self.curriculum.restricted(logits[:n], experience.tasks)
        loss = F.cross_entropy(answers, experience.labels)
        if self.settled_classes:
            loss = loss + self.distillation_weight * self._drift(new, old, logits, mattering)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        descend(self.hippocampus, learning_rate=self.learning_rate, loss=value)
        self._remember(new, symbols, experience, old)
        return Observation(predicted=answers.detach().argmax(1), loss=value)

    def _recalled(self, new: Tensor) -> tuple[Tensor, Tensor]:
        """Recollections of classes that N knows [m, *shape], of each equally many, and the classes whose
        answers to them are held, bool [m, classes]: those that N knows, and those that compete with the
        recollection's own. None (m = 0) in development, or when naive."""
        if not (self.replays and self.settled_classes):
            return new[:0], torch.ones(0, self.classes, dtype=torch.bool)
        held = self.memory.sample_balanced(self.recollections_per_step, below=self.settled_classes)
        mattering = self.curriculum.allowed(held.tasks, len(held)).clone()
        mattering[:, : self.settled_classes] = True
        inputs = self.association.decode(held.symbols)
        return self.augmentation(inputs, generator=self.chance.generator), mattering

    def _drift(self, new: Tensor, old: Tensor, logits: Tensor, mattering: Tensor) -> Tensor:
        """How far the answers for the old have left N's: squared distance over the classes that matter, mean
        over examples. Naive: for the new, over the classes that N knows."""
        inputs, answers = (old, logits[len(new) :]) if self.replays else (new, logits)
        if not len(inputs):
            return logits.new_zeros(())
        with torch.no_grad():
            stable = self.neocortex.eval()(inputs)[:, : self.classes]
        counted: Tensor | int = mattering
        if not self.replays:
            counted = torch.arange(self.classes) < self.settled_classes
        distance: Tensor = ((answers - stable).square() * counted).sum(1).mean()
        return distance

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        if not self.settled_classes:
            yield
            return
        student = candidate.neocortex.requires_grad_(True).train()
        yield from teach(
            student,
            draw=lambda n: candidate._lesson(n, candidate.chance.generator),
            steps=self.sleep.steps,
            batch_size=self.sleep.batch_size,
            learning_rate=self.sleep.learning_rate or self.learning_rate,
        )
        student.requires_grad_(False)

    def adopt(self, candidate: Self) -> None:
        """N is the candidate's; H moves by what sleep changed."""
        self._move(candidate)
        self.settled.fill_(candidate.classes)

    def switch(self, network: nn.Module) -> None:
        super().switch(network)
        self.settled.fill_(self.classes)
