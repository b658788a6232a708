"""A layer whose units are reserved by binary masks, class by class (paper 004, section 4.1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Of leaky ReLU, as in DCGAN (Radford et al., 2015)."""
EPSILON = 1e-5


class ClassMask(NamedTuple):
    """How a class uses a layer's units, each [units]: `mask` from 0 (unused) to 1; and `gain` and `shift`,
    the scale and the offset after normalisation."""

    mask: Tensor
    gain: Tensor
    shift: Tensor


class MaskedLayer(nn.Module):
    """A linear layer from `inputs` to `units`, with normalisation, leaky ReLU and mask. Sums are normalised
    by class: over the batch while the class is learned (Ioffe and Szegedy, 2015); once it is learned by fixed
    statistics over many latents. `reserved` bool [classes, units]: the binary masks by class. `scale`
    [classes, 2, units]: factor and offset of the fixed normalisation."""

    reserved: Tensor
    scale: Tensor

    def __init__(self, *, inputs: int, units: int, rng: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(initial_weights(units, inputs, rng))
        self.register_buffer("reserved", torch.zeros(0, units, dtype=torch.bool))
        self.register_buffer("scale", torch.zeros(0, 2, units))

    @property
    def units(self) -> int:
        return len(self.weight)

    @property
    def blocked(self) -> Tensor:
        """The cumulative mask, eq. (5): bool [units], True where any class has reserved the unit."""
        return self.reserved.any(0)

    def forward(self, before: Tensor, class_mask: ClassMask) -> Tensor:
        """Activations [n, inputs] to [n, units], normalised over the n and masked: eq. (2)."""
        sums = F.linear(before, self.weight)
        factor, offset = _normalisation(sums, class_mask)
        return F.leaky_relu(sums * factor + offset, SLOPE) * class_mask.mask

    def shown(self, before: Tensor, label: int, *, of: Tensor) -> Tensor:
        """Activations [n, units of the class] from `before` [n, m], those of the m units with indices `of`
        [m] in the layer before."""
        own = self.reserved[label].nonzero().flatten()
        factor, offset = self.scale[label][:, own]
        return F.leaky_relu(F.linear(before, self.weight[own[:, None], of]) * factor + offset, SLOPE)

    def reserve(self, label: int, class_mask: ClassMask, before: Tensor) -> None:
        """Reserves the units of a binary mask for the class, and fixes their normalisation by `before` [n,
        inputs]."""
        factor, offset = _normalisation(F.linear(before, self.weight), class_mask)
        self.reserved = with_row(self.reserved, label, class_mask.mask > 0)
        self.scale = with_row(self.scale, label, torch.stack([factor, offset]) * class_mask.mask)

    @torch.no_grad()
    def grow(self, *, inputs: int, units: int, rng: torch.Generator) -> None:
        """Adds `units` rows, and `inputs` columns for new units of the layer before. Existing weights do not
        change."""
        weight = initial_weights(self.units + units, self.weight.shape[1] + inputs, rng)
        weight[: self.units, : self.weight.shape[1]] = self.weight
        self.weight = nn.Parameter(weight)
        self.reserved = F.pad(self.reserved, (0, units))
        self.scale = F.pad(self.scale, (0, units))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        if prefix + "weight" in state_dict:
            self.weight = nn.Parameter(torch.zeros_like(state_dict[prefix + "weight"]))
            self.reserved = torch.zeros_like(state_dict[prefix + "reserved"])
            self.scale = torch.zeros_like(state_dict[prefix + "scale"])
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _normalisation(sums: Tensor, class_mask: ClassMask) -> tuple[Tensor, Tensor]:
    """Factor and offset, each [units], that normalise sums [n, units] to the gain and shift of a class."""
    mean, variance = sums.mean(0), sums.var(0, unbiased=False)
    factor = class_mask.gain * (variance + EPSILON).rsqrt()
    return factor, class_mask.shift - mean * factor


def with_row(table: Tensor, label: int, row: Tensor) -> Tensor:
    """The table [classes, ...] with this row for the class `label`; grown with zero rows where it is too
    short."""
    grown = table.new_zeros(max(len(table), label + 1), *table.shape[1:])
    grown[: len(table)] = table
    grown[label] = row
    return grown


def initial_weights(rows: int, columns: int, rng: torch.Generator) -> Tensor:
    return torch.randn(rows, columns, generator=rng) * math.sqrt(2.0 / columns)
