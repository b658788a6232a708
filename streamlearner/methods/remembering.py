"""What methods with a recollection memory share: what they hold, counted and shown."""

from __future__ import annotations

import torch
from torch import Tensor

from streamlearner.association import Association
from streamlearner.methods.base import DualMemory, raw
from streamlearner.recollection import RecollectionMemory


class Remembering(DualMemory):
    """A method whose `memory` holds codes that its `association` makes and decodes."""

    association: Association
    memory: RecollectionMemory

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
