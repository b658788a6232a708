"""Dropout whose chance is its own: repeated after a restart, and drawn from no global generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """While training, each value is 0 by chance `share`, the others are larger for it (Srivastava et al.,
    2014). Its generator is part of the state."""

    def __init__(self, *, share: float, seed: int) -> None:
        super().__init__()
        self.share = share
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return values
        kept = torch.rand(values.shape, generator=self.generator) >= self.share
        return values * kept.to(values.device) / (1.0 - self.share)

    def get_extra_state(self) -> Tensor:
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        self.generator.set_state(state.cpu())

    def __deepcopy__(self, memo: dict[int, object]) -> Dropout:
        twin = Dropout(share=self.share, seed=0)
        twin.generator.set_state(self.generator.get_state())
        twin.train(self.training)
        memo[id(self)] = twin
        return twin
