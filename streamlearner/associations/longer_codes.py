"""Codes of images that can be made longer, where they turn out too short for what comes."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from typing import Any, Self

import torch
from torch import Tensor

from streamlearner.associations.contract import Association, CodingContext
from streamlearner.associations.lossless import RawAssociation

WORTH_IT = 1.25
"""How much longer a code must become: where all is coded already, more bits are of no use."""


class LongerCodes(Association):
    """Twice as long each time, in the end the image itself. `length` is state from the first time on."""

    may_be_longer: bool = False
    length: Tensor | None

    def __init__(self, *, input_shape: tuple[int, ...], code_bits: int) -> None:
        super().__init__(input_shape=input_shape)
        self.code_bits = code_bits
        self.register_buffer("length", None)

    @classmethod
    def build(cls, settings: Any, context: CodingContext) -> Self:
        made = cls.of_length(settings, context)
        made.may_be_longer = not context.is_fixed
        return made

    @classmethod
    def of_length(cls, settings: Any, context: CodingContext) -> Self:
        """With the codes of the context."""
        arguments = {"code_bits": context.code_bits} | dict(settings or ())
        return cls(input_shape=context.input_shape, **arguments)

    @property
    def present_bits(self) -> int:
        """What a code may take now."""
        return self.code_bits if self.length is None else int(self.length)

    def fit_again(self) -> None:
        """Fits this one, a copy that codes nothing yet, to all inputs so far."""
        raise NotImplementedError

    @torch.no_grad()
    def refitted(self) -> Association | None:
        """A copy fitted to all inputs so far."""
        renewed = copy.deepcopy(self)
        renewed.fit_again()
        return renewed

    @torch.no_grad()
    def lengthened(self, most_bits: float) -> Association | None:
        """A copy with codes of twice as many bits, or raw codes where that is hardly more."""
        if not self.may_be_longer:
            return None
        longer = copy.deepcopy(self)
        longer.length = torch.tensor(2 * self.present_bits)
        longer.fit_again()
        if _bits_of(longer) >= WORTH_IT * _bits_of(self):
            return longer if _bits_of(longer) <= most_bits else None
        whole = RawAssociation(input_shape=self.input_shape, dtype=torch.uint8)
        return whole if _bits_of(whole) <= most_bits else None

    def restoring(self, names: Collection[str]) -> Association:
        """Raw codes have no state."""
        return self if names else RawAssociation(input_shape=self.input_shape, dtype=torch.uint8)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        found = state_dict.get(prefix + "length")
        self.register_buffer("length", None if found is None else torch.empty_like(found))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _bits_of(association: Association) -> float:
    return math.fsum(map(math.log2, association.radices))
