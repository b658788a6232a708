"""Learns with a flexible network, regularised towards a stable one, which sleep trains anew.

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
from streamlearner.methods.base import Experience, Observation, Rng, unit_interval
from streamlearner.methods.components import Components, Sleep
from streamlearner.methods.one_network import OneNetwork
from streamlearner.methods.remembering import Remembering
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.distillation import distill
from streamlearner.registry.methods import ActiveLongTermSection


class ActiveLongTerm(OneNetwork, Remembering):
    """A-LTM: N, the stable network, is the neocortex; H, the flexible one, the hippocampus, which also
    answers.

    Development lasts until the first adopted sleep: H learns, N is untrained. Afterwards H minimises
    cross-entropy on the new examples plus `distillation_weight` times the squared distance between the logits
    of N and H: on recollections of classes that N knows (`replays`), or on the new inputs (the naive
    variant). N does not change awake. Sleep (`consolidate`): N starts from H's weights and learns
    recollections, equally many of each class; the sleep that ends development only copies the weights.
    `stable_count` is the number of classes that N knows.

    Differs: the paper leaves the consolidation of H into N to later work. Old inputs are recollections
    decoded from codes, not stored images. A decision layer is the classes of a named task or factor; without
    names all classes form one. New classes of the same layer are distilled, too, towards N's logit 0, as
    otherwise they would win everything. (The paper's factors never compete; the classes of one head do.)
    """

    augmentation: Augmentation
    stable_count: Tensor

    def __init__(
        self,
        *,
        rng: Rng,
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
        self.rng = rng
        self.association = association
        self.memory = memory
        self.augmentation = augmentation
        self.distillation_weight = distillation_weight
        self.replays = replays
        self.recollections_per_step = recollections_per_step
        self.sleep = sleep
        self.register_buffer("stable_count", torch.tensor(0))

    @classmethod
    def build(cls, settings: ActiveLongTermSection, components: Components) -> Self:
        rng = components.make_rng()
        association = components.make_association(rng)
        return cls(
            rng=rng,
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
    def stable_classes(self) -> int:
        """How many classes N knows; 0 during development."""
        return int(self.stable_count)

    def observe(self, experience: Experience) -> Observation:
        self._register(experience)
        before = self._answers_before(experience)
        new, n = unit_interval(experience.inputs), len(experience.labels)
        symbols = self.association.encode(new)
        old, distilled_classes = self._recalled(new)
        logits = self.hippocampus.train()(torch.cat([new, old]))[:, : self.classes]
        answers = self.seen_classes.restricted(logits[:n], experience.tasks)
        loss = F.cross_entropy(answers, experience.labels)
        if self.stable_classes:
            loss = loss + self.distillation_weight * self._drift(new, old, logits, distilled_classes)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        rate = self.learning_rate
        sgd_step(self.hippocampus, learning_rate=rate, loss=value)
        self._remember(new, symbols, experience, old)
        predicted = answers.detach().argmax(1) if before is None else before
        return Observation(predicted=predicted, loss=value)

    def _recalled(self, new: Tensor) -> tuple[Tensor, Tensor]:
        """Recollections [m, *shape] of classes that N knows, equally many of each, and for each the classes
        whose logits are distilled, bool [m, classes]: those that N knows, and those that compete with its
        own. m = 0 in development, and for the naive variant."""
        if not (self.replays and self.stable_classes):
            return new[:0], torch.ones(0, self.classes, dtype=torch.bool)
        held = self.memory.sample_balanced(self.recollections_per_step, below=self.stable_classes)
        distilled_classes = self.seen_classes.allowed(held.tasks, len(held)).clone()
        distilled_classes[:, : self.stable_classes] = True
        inputs = self.association.decode(held.symbols)
        return self.augmentation(inputs, generator=self.rng.generator), distilled_classes

    def _drift(self, new: Tensor, old: Tensor, logits: Tensor, distilled_classes: Tensor) -> Tensor:
        """Squared distance of H's logits to N's, summed over the distilled classes, mean over recollections;
        for the naive variant over the new inputs and the classes that N knows."""
        inputs, answers = (old, logits[len(new) :]) if self.replays else (new, logits)
        if not len(inputs):
            return logits.new_zeros(())
        with torch.no_grad():
            stable = self.neocortex.eval()(inputs)[:, : self.classes]
        counted: Tensor | int = distilled_classes
        if not self.replays:
            counted = torch.arange(self.classes) < self.stable_classes
        distance: Tensor = ((answers - stable).square() * counted).sum(1).mean()
        return distance

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        if not self.stable_classes:
            yield
            return
        student = candidate.neocortex.requires_grad_(True).train()
        yield from distill(
            student,
            draw=lambda n: candidate._distillation_batch(n, candidate.rng.generator),
            steps=self.sleep.steps_of(candidate),
            batch_size=self.sleep.batch_size,
            learning_rate=self.sleep.learning_rate or self.learning_rate,
        )
        student.requires_grad_(False)

    def adopt(self, candidate: Self) -> None:
        """N is the candidate's. H adds what sleep changed."""
        self._add_change_of_sleep(candidate)
        self.stable_count.fill_(candidate.classes)

    def switch(self, network: nn.Module) -> None:
        super().switch(network)
        self.stable_count.fill_(self.classes)
