"""A random generator that is part of a method's state."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Rng(nn.Module):
    """A random generator as a submodule, so that it is checkpointed and cloned with the method.

    Register it before any submodule that holds the same `generator`: a clone's submodules then draw from the
    clone's.
    """

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def get_extra_state(self) -> Tensor:
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        self.generator.set_state(state)

    def __deepcopy__(self, memo: dict[int, object]) -> Rng:
        twin = Rng(seed=0)
        twin.set_extra_state(self.get_extra_state())
        memo[id(self)] = twin
        memo[id(self.generator)] = twin.generator  # whoever holds this generator holds the copy's in a clone
        return twin
