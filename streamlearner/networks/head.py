"""A head that grows with the classes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD_BLOCK = 16
"""Outputs are added to a head in blocks of this size, so that not every new class reallocates it."""


class OpenHead(nn.Module):
    """A linear layer whose number of outputs (rows) grows. Unused rows are zero: an unseen class has logit 0.

    `load_state_dict` accepts, and takes over, any number of rows.
    """

    def __init__(self, *, features: int) -> None:
        super().__init__()
        self.in_features = features
        self.weight = nn.Parameter(torch.zeros(HEAD_BLOCK, features))
        self.bias = nn.Parameter(torch.zeros(HEAD_BLOCK))

    @property
    def rows(self) -> int:
        return self.weight.shape[0]

    def grow(self, classes: int) -> bool:
        """Makes room for `classes` outputs. True where rows were added; those that there were keep their
        weights."""
        if classes <= self.rows:
            return False
        self._resize(math.ceil(classes / HEAD_BLOCK) * HEAD_BLOCK)
        return True

    def erase(self, row: int) -> None:
        """As if its class had never been: all zero."""
        if row < self.rows:
            self.weight.data[row], self.bias.data[row] = 0.0, 0.0

    def _resize(self, rows: int) -> None:
        kept = min(rows, self.rows)
        weight, bias = self.weight.data.new_zeros(rows, self.in_features), self.bias.data.new_zeros(rows)
        weight[:kept], bias[:kept] = self.weight.data[:kept], self.bias.data[:kept]
        requires_grad = self.weight.requires_grad
        self.weight = nn.Parameter(weight, requires_grad=requires_grad)
        self.bias = nn.Parameter(bias, requires_grad=requires_grad)

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight, self.bias)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        found = state_dict.get(prefix + "weight")
        if isinstance(found, Tensor) and found.ndim == 2 and found.shape[0] != self.rows:
            self._resize(found.shape[0])
        super()._load_from_state_dict(state_dict, prefix, *rest)


def erase_row(module: nn.Module, row: int | None) -> None:
    """Of every head within the module; None: of none."""
    for head in module.modules():
        if isinstance(head, OpenHead) and row is not None:
            head.erase(row)
