"""The contract of an association: it encodes an input as a short discrete code, and decodes the code.

`TransformAssociation` codes a few coefficients of a fixed transform, `TrellisAssociation` those of transforms
fitted to the stream, `GumbelAssociation` is the discrete autoencoder of paper 003 (Riemer et al., 2018), and
`RawAssociation` stores every byte.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class CodingContext:
    """What an association is built for: raw inputs of `input_shape` and `dtype` (uint8 images or float32
    features), codes of at most `code_bits` bits (configured, which `is_fixed` says, or chosen by shape and
    budget), and the method's random `generator`."""

    input_shape: tuple[int, ...]
    dtype: torch.dtype
    code_bits: int
    generator: torch.Generator
    is_fixed: bool = False


class Association(nn.Module):
    """Encodes inputs as codes of discrete symbols, and decodes them: the base class, and the contract for its
    implementer.

    When it is called. All calls come from the one learning thread; serving may call `decode` of a frozen
    copy. For each incoming batch the owner calls, in this order: `encode` of the new inputs and `decode` of
    recollections, as often as the method needs them; `learn`; `renew`. Where `renew` returns a new
    association, all codes in memory are encoded anew with it, and the new inputs, too, before they are
    stored; the old one is then dropped.

    Guaranteed to you: inputs are finite float32, [n, *input_shape] with n >= 1; images are channel-first with
    values in [0, 1]; symbols are int64 [n, c] with 0 <= symbol < radix, of the radices that you announced.

    What you guarantee: `radices` changes only by renewal; equal state, equal inputs and equal generators give
    equal bits; everything learned is in `state_dict` as tensors, and loads into a newly built object with the
    same arguments even where renewals changed shapes. No call keeps a reference to its arguments, or draws
    from a global random generator.
    """

    def __init__(self, *, input_shape: tuple[int, ...]) -> None:
        """`input_shape` is (channels, height, width) or (features,); ValueError for anything else."""
        super().__init__()
        if len(input_shape) not in (1, 3) or min(input_shape) < 1:
            raise ValueError(f"input_shape {input_shape}: expected (channels, height, width) or (features,)")
        self.input_shape = tuple(input_shape)

    @classmethod
    def build(cls, settings: Any, context: CodingContext) -> Self:
        """A new association. `settings` are its own (an object of the class `Settings` in its class, None
        where it has none); by default they are arguments of the constructor, beside `input_shape` and
        `code_bits`."""
        arguments = {"code_bits": context.code_bits} | dict(settings or ())
        return cls(input_shape=context.input_shape, **arguments)

    @property
    def radices(self) -> tuple[int, ...]:
        """Number of levels of each of the c symbols of a code."""
        raise NotImplementedError

    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Adapts to new `inputs` [n, *input_shape] and, if there are any, decoded `recollections` [m,
        *input_shape]."""
        raise NotImplementedError

    def renew(self) -> Association | None:
        """A new association to replace this one, or None: it has seen too little since the last renewal.

        The caller recodes its memory with `new.encode(old.decode(symbols))`. This association must not
        change.
        """
        return None

    def shortened(self, most_bits: float) -> Association | None:
        """A new association with codes of at most `most_bits`, or as near to that as it can, which replaces
        this one as after a renewal; None where it has no shorter ones. Asked where memory has no room for all
        codes that were written, and does not hold thousands yet."""
        return None

    def refitted(self) -> Association | None:
        """A new association of the same length, fitted to all inputs so far though no renewal is due, which
        replaces this one as after a renewal; None where nothing is fitted. Asked where its codes turned out
        worse than the mean of each class."""
        return None

    def lengthened(self, most_bits: float) -> Association | None:
        """A new association with longer codes of at most `most_bits`, fitted to all inputs so far, which
        replaces this one as after a renewal and is not `shortened` below that; None where it has no longer
        ones, or their length was configured. Asked where codes are worse than the mean of each class."""
        return None

    def restoring(self, names: Collection[str]) -> Association:
        """Which association a saved state with these `names` is of: this one, unless a former version meant
        another by the same settings; then that, in its initial state."""
        return self

    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols int64 [n, c] of `inputs` float32 [n, *input_shape]."""
        raise NotImplementedError

    def decode(self, symbols: Tensor) -> Tensor:
        """Recollections float32 [n, *input_shape] of `symbols` int64 [n, c]; images with values in [0, 1]."""
        raise NotImplementedError

    def parameter_bits(self) -> int:
        """Bits of the state dict: weights, tables and running statistics."""
        return sum(t.numel() * t.element_size() * 8 for t in self.state_dict().values())
