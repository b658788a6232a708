"""Notices a figure that does not rise any more."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Plateau(nn.Module):
    """How often in a row a figure did not rise above its best so far, as in early stopping.

    Figures of more classes are not compared with those of fewer: among more of them fewer are right, however
    good the features. The first one with a new class is the best so far, and the count begins anew.
    """

    best: Tensor
    flat: Tensor
    classes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("best", torch.tensor(-1.0, dtype=torch.float64))
        self.register_buffer("flat", torch.tensor(0))
        self.register_buffer("classes", torch.tensor(0))

    def add(self, figure: float, *, classes: int) -> None:
        comparable = classes == int(self.classes)
        rises = not comparable or figure > float(self.best)
        self.flat.fill_(0 if rises else int(self.flat) + 1)
        self.classes.fill_(classes)
        if rises:
            self.best.fill_(figure)

    def begin_anew(self) -> None:
        """What is measured from now on is something else."""
        self.load_state_dict(Plateau().state_dict())

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, fresh in Plateau().named_buffers():  # a state of before there was one
            state_dict.setdefault(prefix + name, fresh)
        super()._load_from_state_dict(state_dict, prefix, *rest)
