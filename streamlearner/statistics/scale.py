"""How a vector's columns are measured: by the first values that came, and alike by all who share a scale."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

NO_UNIT = 1e300
"""In its place, whatever came in a column is 0."""
FEW = 5
"""Examples below which what rounding the centre left of a column is no difference: a first batch of one has
nothing else, and a unit as small as that would cut off whatever comes."""
ROUNDED = 1 / 4_000
"""Share of a centre that its rounding may be off by, and a little more."""


class Scale(NamedTuple):
    """Where each column is measured from, and in which unit: float32 [d]. `centre` is NaN before the first
    batch, `unit` until a value first differed from the centre.

    A column without a unit has only had the value of its centre, or what rounds to it, and any value is 0:
    two scales that differ in nothing but units that one of them lacks have given the same numbers.
    """

    centre: Tensor
    unit: Tensor

    @classmethod
    def unknown(cls, columns: int) -> Scale:
        """Of no input."""
        return cls(torch.full((columns,), torch.nan), torch.full((columns,), torch.nan))

    @property
    def is_whole(self) -> bool:
        return not bool(self.unit.isnan().any())

    def after(self, inputs: Tensor) -> Scale:
        """With a rule for columns that had none, by these raw inputs [n, d]; itself where that sets none."""
        found = finite(inputs)
        centre = torch.where(self.centre.isnan(), _rounded(found.median(0).values), self.centre)
        away = (found - centre).abs()
        nothing = centre.abs() * ROUNDED if len(found) < FEW else torch.zeros_like(centre)
        away = away.masked_fill(away <= nothing, torch.nan)
        return self.with_rules(Scale(centre, away.nanmedian(0).values))

    def with_rules(self, other: Scale) -> Scale:
        """With the other's rule for columns that have none; itself where that sets none."""
        found = Scale(*(torch.where(one.isnan(), two, one) for one, two in zip(self, other, strict=True)))
        return self if self.equals(found) else found

    def agrees(self, other: Scale) -> bool:
        """Whether numbers by either are numbers by `with_rules` of both."""
        return all(bool(((a == b) | a.isnan() | b.isnan()).all()) for a, b in zip(self, other, strict=True))

    def equals(self, other: Scale) -> bool:
        """Whether no rule of a column differs, or is missing in one of them."""
        both = zip(self, other, strict=True)
        return all(bool(((one == two) | (one.isnan() & two.isnan())).all()) for one, two in both)


class SharedScale(Protocol):
    """The scale of all who learn parts of one stream. Asked by the learning thread, before a batch that would
    set a rule is learned."""

    def newest(self, columns: int) -> Scale:
        """As all have it now."""

    def propose(self, scale: Scale) -> bool:
        """`newest` with further rules is the one of all from now on; False where another was faster: then
        `newest` has changed."""


def agreed(own: Scale, inputs: Tensor | None, shared: SharedScale) -> Scale:
    """The scale by which these inputs are learned (None: no more than `own` is told of), which all take who
    come later. One that contradicts that of all stays alone."""
    while True:
        common = shared.newest(len(own.centre))
        if not own.agrees(common):
            return own if inputs is None else own.after(inputs)
        joined = common.with_rules(own)
        wanted = joined if inputs is None else joined.after(inputs)
        if wanted.equals(common) or shared.propose(wanted):
            return wanted


def finite(inputs: Tensor) -> Tensor:
    return torch.nan_to_num(inputs, nan=0.0)


def _rounded(values: Tensor) -> Tensor:
    """To 12 bits, so that a first batch of one is not kept as it was."""
    mantissa, exponent = torch.frexp(values)
    return torch.ldexp((mantissa * 4096).round() / 4096, exponent)
