"""Learns each example, each weight held by how much it mattered before; remembers nothing else.

After Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", 2017; summed over the past
as in Schwarz et al., "Progress & Compress", 2018.
"""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.methods.base import DualMemory, Experience, Observation, unit_interval
from streamlearner.methods.baseline import Baseline
from streamlearner.methods.components import Components
from streamlearner.networks.base import Network, descend
from streamlearner.registry.methods import ElasticWeightConsolidationSection


class ElasticWeightConsolidation(Baseline):
    """EWC: beside cross-entropy, half the squared distance of each weight from where it stood at the last
    adopted sleep, times its Fisher information up to then, times `weight`.

    `anchor`, `information` and `gathered` are networks, for their shapes alone: where the weights stood, what
    they mattered, and what they have mattered since.

    Differs: a task is what comes between two adopted sleeps; information is gathered awake, from the squared
    gradients of batches as they are learned, not by a pass over examples that were kept.
    """

    anchor: Network
    information: Network
    gathered: Network
    batches: Tensor
    waking_only = (*Baseline.waking_only, "anchor", "information", "gathered")
    switch = DualMemory.switch  # what weights mattered belongs to them

    def __init__(self, *, network: Network, learning_rate: float, weight: float, steps: int = 1) -> None:
        super().__init__(network=network, learning_rate=learning_rate, steps=steps)
        self.weight = weight
        self.anchor, self.information, self.gathered = (
            copy.deepcopy(network).requires_grad_(False) for _ in range(3)
        )
        self.register_buffer("batches", torch.tensor(0))
        for shape in (self.information, self.gathered):
            _clear(shape)

    @classmethod
    def build(cls, settings: ElasticWeightConsolidationSection, components: Components) -> Self:
        return cls(
            network=components.network,
            learning_rate=components.network.learning_rate,
            weight=settings.ewc_lambda,
            steps=components.steps,
        )

    def _meet(self, experience: Experience) -> None:
        super()._meet(experience)
        for shape in (self.anchor, self.information, self.gathered):
            shape.head.grow(self.classes)

    def _learn(self, experience: Experience) -> Observation:
        network = self.hippocampus.train()
        logits = network(unit_interval(experience.inputs))[:, : self.classes]
        answers = self.curriculum.restricted(logits, experience.tasks)
        loss = F.cross_entropy(answers, experience.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self._gather(len(experience.labels))
        self._hold()
        descend(network, learning_rate=self.learning_rate, loss=(value := float(loss.detach())))
        return Observation(predicted=answers.detach().argmax(1), loss=value)

    @torch.no_grad()
    def _gather(self, examples: int) -> None:
        """Squared gradients; of a batch's mean, so times its size."""
        self.batches += 1
        for weight, total in zip(self.hippocampus.weights, self.gathered.weights, strict=True):
            if weight.grad is not None:
                squared = torch.nan_to_num(weight.grad.square(), nan=0.0, posinf=0.0)
                total.add_(squared, alpha=float(examples))

    @torch.no_grad()
    def _hold(self) -> None:
        """Adds the penalty's gradient; no step goes farther than back to the anchor."""
        most = 1.0 / self.learning_rate
        held = zip(self.hippocampus.weights, self.anchor.weights, self.information.weights, strict=True)
        for weight, anchor, information in held:
            if weight.grad is not None:
                weight.grad.add_((self.weight * information).clamp_max(most) * (weight - anchor))

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        super().adopt(candidate)
        for anchor, weight in zip(self.anchor.weights, self.hippocampus.weights, strict=True):
            anchor.copy_(weight)
        for total, since in zip(self.information.weights, self.gathered.weights, strict=True):
            total.add_(since / max(1, int(self.batches)))
        _clear(self.gathered)
        self.batches.zero_()

    @torch.no_grad()
    def revert(self, neocortex: dict[str, Tensor]) -> None:
        """What the weights mattered is kept; they are held where they now stand."""
        super().revert(neocortex)
        self.anchor.load_state_dict(neocortex)
        for shape in (self.anchor, self.information, self.gathered):
            shape.head.grow(self.hippocampus.head.rows)


@torch.no_grad()
def _clear(shape: Network) -> None:
    for weight in shape.weights:
        weight.zero_()
