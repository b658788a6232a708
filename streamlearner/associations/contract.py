"""The contract of an association: an input to a short discrete code and back.

`TransformAssociation` codes a few coefficients of a fixed transform, `GumbelAssociation` is the discrete
autoencoder of paper 003 (Riemer et al., 2018), and `RawAssociation` keeps every byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class CodingContext:
    """What an association is built for: raw inputs of this shape and `dtype` (uint8 images or float32
    features), codes of `code_bits` (those of the configuration, else chosen by shape and budget), and the
    method's `generator`, for all random draws."""

    input_shape: tuple[int, ...]
    dtype: torch.dtype
    code_bits: int
    generator: torch.Generator


class Association(nn.Module):
    """What turns an input into a code of discrete symbols, and a code back into an input.

    For its implementer. All calls come from the one learning thread. For each incoming batch the owner
    calls, in this order: `decode` (recollections), `learn`, `renew`, `encode` (codes of the new inputs, for
    the memory). Serving may call `decode` on a frozen copy.

    Guaranteed to you: inputs are finite float32, [n, *input_shape] with n >= 1; images are channel-first
    with values in [0, 1]; symbols are int64 [n, c] with 0 <= symbol < radix, of the radices that you
    announced. You guarantee: `radices` changes only by renewal; equal state, equal inputs and equal
    generators give equal bits; everything learned is in `state_dict` as tensors, and loads into a freshly
    constructed object of the same arguments even where renewals changed shapes. No call keeps a reference
    to what it was given. Nothing draws from a global.
    """

    def __init__(self, *, input_shape: tuple[int, ...]) -> None:
        """`input_shape` is (channels, height, width) or (features,); ValueError for anything else."""
        super().__init__()
        if len(input_shape) not in (1, 3) or min(input_shape) < 1:
            raise ValueError(f"input_shape {input_shape}: expected (channels, height, width) or (features,)")
        self.input_shape = tuple(input_shape)

    @classmethod
    def build(cls, settings: Any, context: CodingContext) -> Self:
        """A fresh one: `settings` are its own (an object of the class `Settings` in its class, None where it
        has none); here they are arguments of the constructor, beside `input_shape` and `code_bits`."""
        arguments = {"code_bits": context.code_bits} | dict(settings or ())
        return cls(input_shape=context.input_shape, **arguments)

    @property
    def radices(self) -> tuple[int, ...]:
        """Levels of each of the c symbols of a code; constant until renewed."""
        raise NotImplementedError

    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Adapt to new `inputs` [n, *input_shape] and, if any, decoded `recollections` [m, *input_shape]."""
        raise NotImplementedError

    def renew(self) -> Association | None:
        """A new association to replace this one, or None where too little came in since the last.

        The caller recodes its memory with `new.encode(old.decode(symbols))`, then forgets this one, which
        is unchanged.
        """
        return None

    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols int64 [n, c] of `inputs` float32 [n, *input_shape]."""
        raise NotImplementedError

    def decode(self, symbols: Tensor) -> Tensor:
        """Recollections float32 [n, *input_shape] of `symbols` int64 [n, c]; images within [0, 1]."""
        raise NotImplementedError

    def parameter_bits(self) -> int:
        """Bits of all tensors that a checkpoint must hold: weights, tables and running statistics."""
        return sum(t.numel() * t.element_size() * 8 for t in self.state_dict().values())
