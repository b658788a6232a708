"""Experience replay: learns each batch together with stored raw examples, within the same budget of bits.

The rehearsal baseline of paper 003, Table 3 (Chaudhry et al., 2019, "On tiny episodic memories": reservoir
sampling, plain cross-entropy). It stores raw inputs: a baseline to compare with, not a method to deploy.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.associations.lossless import RawAssociation
from streamlearner.memory.records import Recollections
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Experience, Observation, unit_interval
from streamlearner.methods.baseline import Baseline
from streamlearner.methods.components import Components
from streamlearner.methods.remembering import Remembering
from streamlearner.networks.base import Network, sgd_step


class Rehearsal(Remembering, Baseline):
    """Experience replay. `association` is `RawAssociation`, whose code is the raw input, without loss."""

    def __init__(
        self,
        *,
        network: Network,
        association: Association,
        memory: RecollectionMemory,
        learning_rate: float,
        recollections_per_step: int,
        steps: int = 1,
    ) -> None:
        super().__init__(network=network, learning_rate=learning_rate, steps=steps)
        self.association = association
        self.memory = memory
        self.recollections_per_step = recollections_per_step

    @classmethod
    def build(cls, settings: Any, components: Components) -> Self:
        raw = RawAssociation(input_shape=components.input_shape, dtype=components.dtype)
        return cls(
            network=components.network,
            association=raw,
            memory=components.make_memory(raw),
            learning_rate=components.network.learning_rate,
            recollections_per_step=components.recollections_per_step,
            steps=components.steps,
        )

    def observe(self, experience: Experience) -> Observation:
        answered = super().observe(experience)
        codes = self.association.encode(unit_interval(experience.inputs))
        self.memory.insert(codes, experience.labels, experience.tasks, experience.ids)
        return answered

    def _learn(self, experience: Experience) -> Observation:
        new, n = unit_interval(experience.inputs), len(experience.labels)
        remembered = self.memory.sample(experience.items(self.recollections_per_step))
        inputs = torch.cat([new, self.association.decode(remembered.symbols)])
        network = self.hippocampus.train()
        logits = self._restricted(network(inputs)[:, : self.classes], experience, remembered)
        loss = F.cross_entropy(logits, torch.cat([experience.labels, remembered.labels]))
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        rate = self.learning_rate
        sgd_step(network, learning_rate=rate, loss=value)
        return Observation(predicted=logits[:n].detach().argmax(1), loss=value)

    def _restricted(self, logits: Tensor, experience: Experience, remembered: Recollections) -> Tensor:
        n, restricted = len(experience.labels), self.seen_classes.restricted
        return torch.cat([restricted(logits[:n], experience.tasks), restricted(logits[n:], remembered.tasks)])
