"""Learns each batch with a quadratic penalty on changes of weights that mattered before; remembers no inputs.

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
from streamlearner.networks.base import Network, sgd_step
from streamlearner.registry.methods import ElasticWeightConsolidationSection


class ElasticWeightConsolidation(Baseline):
    """EWC: cross-entropy plus, for each weight, `penalty_weight` (the paper's lambda) / 2 times its Fisher
    information times its squared distance from the value at the last adopted sleep.

    `anchor`, `fisher` and `new_fisher` are networks only to have tensors of the same shapes: the weights at
    the last adopted sleep, their summed Fisher information, and what has been added since.

    Differs: a task is the time between two adopted sleeps; Fisher information is estimated awake, from the
    squared gradients of the batches as they are learned, not by a pass over stored examples.
    """

    anchor: Network
    fisher: Network
    new_fisher: Network
    batches: Tensor
    training_only = (*Baseline.training_only, "anchor", "fisher", "new_fisher")
    switch = DualMemory.switch  # Fisher information belongs to these very weights

    def __init__(
        self, *, network: Network, learning_rate: float, penalty_weight: float, steps: int = 1
    ) -> None:
        super().__init__(network=network, learning_rate=learning_rate, steps=steps)
        self.penalty_weight = penalty_weight
        self.anchor, self.fisher, self.new_fisher = (
            copy.deepcopy(network).requires_grad_(False) for _ in range(3)
        )
        self.register_buffer("batches", torch.tensor(0))
        for one in (self.fisher, self.new_fisher):
            _clear(one)

    @classmethod
    def build(cls, settings: ElasticWeightConsolidationSection, components: Components) -> Self:
        return cls(
            network=components.network,
            learning_rate=components.network.learning_rate,
            penalty_weight=settings.ewc_lambda,
            steps=components.steps,
        )

    def _register(self, experience: Experience) -> None:
        super()._register(experience)
        for one in (self.anchor, self.fisher, self.new_fisher):
            one.head.grow(self.classes)

    def _learn(self, experience: Experience) -> Observation:
        network = self.hippocampus.train()
        logits = network(unit_interval(experience.inputs))[:, : self.classes]
        answers = self.seen_classes.restricted(logits, experience.tasks)
        loss = F.cross_entropy(answers, experience.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self._accumulate_fisher(len(experience.labels))
        self._add_penalty_gradient()
        rate = self.learning_rate
        sgd_step(network, learning_rate=rate, loss=(value := float(loss.detach())))
        return Observation(predicted=answers.detach().argmax(1), loss=value)

    @torch.no_grad()
    def _accumulate_fisher(self, examples: int) -> None:
        """Adds squared gradients of the batch's mean loss, times its size."""
        self.batches += 1
        for weight, total in zip(self.hippocampus.weights, self.new_fisher.weights, strict=True):
            if weight.grad is not None:
                squared = torch.nan_to_num(weight.grad.square(), nan=0.0, posinf=0.0)
                total.add_(squared, alpha=float(examples))

    @torch.no_grad()
    def _add_penalty_gradient(self) -> None:
        """Adds the gradient of the penalty, limited so that an SGD step moves no weight beyond its anchor."""
        most = 1.0 / self.learning_rate
        parts = zip(self.hippocampus.weights, self.anchor.weights, self.fisher.weights, strict=True)
        for weight, anchor, fisher in parts:
            if weight.grad is not None:
                weight.grad.add_((self.penalty_weight * fisher).clamp_max(most) * (weight - anchor))

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        super().adopt(candidate)
        for anchor, weight in zip(self.anchor.weights, self.hippocampus.weights, strict=True):
            anchor.copy_(weight)
        for total, since in zip(self.fisher.weights, self.new_fisher.weights, strict=True):
            total.add_(since / max(1, int(self.batches)))
        _clear(self.new_fisher)
        self.batches.zero_()

    @torch.no_grad()
    def revert(self, neocortex: dict[str, Tensor]) -> None:
        """The Fisher information is kept; the anchor is the version's weights."""
        super().revert(neocortex)
        self.anchor.load_state_dict(neocortex)
        for one in (self.anchor, self.fisher, self.new_fisher):
            one.head.grow(self.hippocampus.head.rows)


@torch.no_grad()
def _clear(one: Network) -> None:
    for weight in one.weights:
        weight.zero_()
