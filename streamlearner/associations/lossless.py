"""The association without loss: a code is the raw input. For the rehearsal baseline, at equal bits."""

from __future__ import annotations

import math
from typing import Any, Self

import torch
from torch import Tensor

from streamlearner.associations.contract import Association, CodingContext


class RawAssociation(Association):
    """One symbol of 256 levels for each byte of the raw input: pixels as they are, features as float32."""

    def __init__(self, *, input_shape: tuple[int, ...], dtype: torch.dtype) -> None:
        """`dtype` of the raw input: uint8 for images (one byte a value) or float32 (four)."""
        super().__init__(input_shape=input_shape)
        self.dtype = dtype
        self._radices = (256,) * (math.prod(input_shape) * dtype.itemsize)

    @classmethod
    def build(cls, settings: Any, context: CodingContext) -> Self:
        return cls(input_shape=context.input_shape, dtype=context.dtype)

    @property
    def radices(self) -> tuple[int, ...]:
        return self._radices

    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Nothing to learn."""

    def encode(self, inputs: Tensor) -> Tensor:
        raw = (inputs * 255.0).round().to(torch.uint8) if self.dtype == torch.uint8 else inputs
        return raw.flatten(1).contiguous().view(torch.uint8).to(torch.int64)

    def decode(self, symbols: Tensor) -> Tensor:
        flat = symbols.to(torch.uint8).reshape(-1).view(self.dtype)  # flat, for where there are no rows
        values = flat.reshape(len(symbols), *self.input_shape)
        return values.to(torch.float32) / 255.0 if self.dtype == torch.uint8 else values
