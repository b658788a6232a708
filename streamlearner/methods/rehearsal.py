"""Learns each new example beside stored raw ones, lossless, within the same bits: experience replay.

The rehearsal baseline of paper 003, Table 3 (Chaudhry et al., 2019, "On tiny episodic memories": reservoir,
plain cross-entropy). It keeps raw inputs: a yardstick, not a method to deploy.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.association import Association
from streamlearner.methods.base import Experience, Observation, raw, unit_interval
from streamlearner.methods.baseline import Baseline
from streamlearner.network import Network, descend
from streamlearner.recollection import RecollectionMemory
from streamlearner.records import Recollections


class Rehearsal(Baseline):
    """Experience replay. `association` is the lossless one (`RawAssociation`), so a code is the raw input."""

    def __init__(
        self,
        *,
        network: Network,
        association: Association,
        memory: RecollectionMemory,
        learning_rate: float,
        recollections_per_step: int,
    ) -> None:
        super().__init__(network=network, learning_rate=learning_rate)
        self.association = association
        self.memory = memory
        self.recollections_per_step = recollections_per_step

    def observe(self, experience: Experience) -> Observation:
        self._meet(experience)
        new, n = unit_interval(experience.inputs), len(experience.labels)
        remembered = self.memory.sample(self.recollections_per_step)
        inputs = torch.cat([new, self.association.decode(remembered.symbols)])
        network = self.hippocampus.train()
        logits = self._restricted(network(inputs)[:, : self.classes], experience, remembered)
        loss = F.cross_entropy(logits, torch.cat([experience.labels, remembered.labels]))
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        descend(network, learning_rate=self.learning_rate, loss=value)
        self.memory.insert(self.association.encode(new), experience.labels, experience.tasks)
        return Observation(predicted=logits[:n].detach().argmax(1), loss=value)

    def _restricted(self, logits: Tensor, experience: Experience, remembered: Recollections) -> Tensor:
        n, restricted = len(experience.labels), self.curriculum.restricted
        return torch.cat([restricted(logits[:n], experience.tasks), restricted(logits[n:], remembered.tasks)])

    @torch.no_grad()
    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        held = self.memory.contents()
        sheets = []
        for label in sorted(set(held.labels.tolist())):
            chosen = (held.labels == label).nonzero().flatten()[:per_class]
            sheets.append((label, raw(self.association.decode(held.symbols[chosen]))))
        return sheets

    @property
    def remembered(self) -> int:
        return len(self.memory)

    def remembered_by_class(self) -> dict[int, int]:
        return self.memory.counts()

    def stored_bits(self) -> dict[str, int]:
        return {"recollections": self.memory.stored_bits}

    @property
    def full(self) -> bool:
        return len(self.memory) >= self.memory.capacity
