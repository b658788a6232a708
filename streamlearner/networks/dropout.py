"""Dropout with a random generator of its own: a restart repeats it, and it uses no global generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """While training, sets each value to 0 with probability `rate` and scales the others by 1 / (1 - rate)
    (Srivastava et al., 2014). Its generator is part of the state."""

    def __init__(self, *, rate: float, seed: int) -> None:
        super().__init__()
        self.rate = rate
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return values
        kept = torch.rand(values.shape, generator=self.generator) >= self.rate
        return values * kept.to(values.device) / (1.0 - self.rate)

    def get_extra_state(self) -> Tensor:
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        self.generator.set_state(state.cpu())

    def __deepcopy__(self, memo: dict[int, object]) -> Dropout:
        twin = Dropout(rate=self.rate, seed=0)
        twin.generator.set_state(self.generator.get_state())
        twin.train(self.training)
        memo[id(self)] = twin
        return twin
