"""The association of a small image's own principal components, with a decoder that learns to sharpen."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from streamlearner.associations.block_covariance import BlockCovariance
from streamlearner.associations.contract import Association
from streamlearner.associations.correction import Correction
from streamlearner.associations.trellis_code import TrellisQuantiser, allocate

MOST_VALUES = 1_024
"""Of an image: eigenvectors of 784 values take half a second on one core, and of 3,072 half a minute."""
_COUNT_ALL = 5_000  # examples; the statistics are settled by then
_COUNT_ONE_IN = 4  # batches after that
_SETTLE_EVERY = 50  # batches


class KarhunenLoeveAssociation(Association):
    """Codes a few principal components of the whole image (Karhunen-Loeve transform), along a trellis.

    Handwriting is not stationary: where ink can be matters more than frequency, and one covariance of all
    pixels says where. Bits go one by one to the component whose error falls most; `TrellisQuantiser` turns
    components into symbols; `Correction` brings what they decode to nearer the image, in mean absolute error.

    It is fitted after `first_fit_examples` examples and again each time the examples counted have grown by
    `growth`; the correction is turned to the new components and goes on.
    """

    batches: Tensor
    fit_examples: Tensor
    bits: Tensor
    deviation: Tensor
    rows: Tensor
    mean: Tensor

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        code_bits: int,
        generator: torch.Generator,
        hidden: int = 400,
        first_fit_examples: int = 20,
        growth: float = 3.0,
    ) -> None:
        """Start from a prior that needs no data. `code_bits`: bits of a code, at least 1; `hidden` units of
        the correction. ValueError for anything else, and for other than images of at most 1,024 values."""
        super().__init__(input_shape=input_shape)
        values = math.prod(input_shape)
        if len(input_shape) != 3 or values > MOST_VALUES:
            raise ValueError(f"input_shape {input_shape}: expected images of at most {MOST_VALUES} values")
        if min(code_bits, hidden, first_fit_examples) < 1 or growth <= 1.0:
            raise ValueError(
                f"code_bits {code_bits}, hidden {hidden}, first_fit_examples {first_fit_examples}, "
                f"growth {growth}: expected >= 1, >= 1, >= 1, > 1"
            )
        self.code_bits = code_bits
        self.first_fit_examples = first_fit_examples
        self.growth = growth
        self.covariance = BlockCovariance(
            mean=torch.full((values,), 0.5),
            variance=torch.full((values,), 0.1),
            blocks=torch.zeros(values, dtype=torch.int64),
        )
        self.quantiser = TrellisQuantiser()
        for name in ("batches", "fit_examples"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        self._fit()
        self.correction = Correction(
            components=len(self.bits), values=values, hidden=hidden, generator=generator
        )

    @property
    def radices(self) -> tuple[int, ...]:
        """Levels of each symbol, powers of two, of product at most 2 ** code_bits."""
        return tuple((1 << self.bits).tolist())

    @torch.no_grad()
    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Count `inputs` [n, *input_shape] and correct what becomes of them; recollections were new once.

        After 5,000 examples (`_COUNT_ALL`) one batch in four is counted: fits go by the examples counted.
        """
        flat = inputs.flatten(1)
        self.batches += 1
        if int(self.covariance.examples) < _COUNT_ALL or int(self.batches) % _COUNT_ONE_IN == 0:
            self.covariance.count(flat)
        if not int(self.fit_examples):
            return
        unit = self._unit(flat)
        symbols = self.quantiser.encode(unit, bits=self.bits, weight=self.deviation.square())
        self.quantiser.count(unit, symbols, bits=self.bits)
        if int(self.batches) % _SETTLE_EVERY == 0:
            self.quantiser.update_levels()
        components = self.quantiser.decode(symbols, bits=self.bits)
        self.correction.learn(components, self._linear(components), flat)

    @torch.no_grad()
    def renew(self) -> KarhunenLoeveAssociation | None:
        """One fitted to all inputs so far, or None before the next scheduled number of them."""
        last = int(self.fit_examples)
        due = math.ceil(last * self.growth) if last else self.first_fit_examples
        if int(self.covariance.examples) < due:
            return None
        renewed = copy.deepcopy(self)
        renewed.quantiser.update_levels()
        renewed.fit_examples.copy_(renewed.covariance.examples)
        renewed._fit()
        renewed.correction.turn(self._from_components_of(renewed))
        return renewed

    @torch.no_grad()
    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols int64 [n, c] of `inputs` float32 [n, *input_shape]."""
        weight = self.deviation.square()
        return self.quantiser.encode(self._unit(inputs.flatten(1)), bits=self.bits, weight=weight)

    @torch.no_grad()
    def decode(self, symbols: Tensor) -> Tensor:
        """Recollections float32 [n, *input_shape] of `symbols` int64 [n, c]."""
        components = self.quantiser.decode(symbols, bits=self.bits)
        corrected: Tensor = self.correction(components, self._linear(components))
        return corrected.view(-1, *self.input_shape)

    def _from_components_of(self, other: KarhunenLoeveAssociation) -> Tensor:
        """The matrix [other's c, c] by which components of `other` become these.

        These have variance 1, so its columns are at most 1 long: a first fit to 20 examples takes some
        variances for nearly zero, and dividing by those would undo all that the correction learned.
        """
        matrix: Tensor = other.deviation[:, None] * (other.rows @ self.rows.T) / self.deviation
        lengths: Tensor = matrix.square().sum(0).sqrt()
        return matrix / lengths.clamp_min(1.0)

    def _unit(self, flat: Tensor) -> Tensor:
        """Components [n, c] of images [n, values], each of variance 1."""
        return (flat - self.mean) @ self.rows.T / self.deviation

    def _linear(self, components: Tensor) -> Tensor:
        """Images [n, values] that `components` [n, c] of variance 1 add up to, before any correction."""
        return torch.addmm(self.mean, components * self.deviation, self.rows)

    def _fit(self) -> None:
        """Components, and how many bits each has, from the statistics so far."""
        found = self.covariance.directions()
        bits, chosen = allocate(found.variance, code_bits=self.code_bits)
        self.register_buffer("bits", bits)
        self.register_buffer("deviation", found.variance[chosen].sqrt().clamp_min(1e-4))
        self.register_buffer("rows", found.rows[chosen])
        self.register_buffer("mean", self.covariance.mean.clone())

    def _load_from_state_dict(  # torch's own signature
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        """Take the shapes of the state that is loaded: fits may have changed the number of symbols."""
        for name in ("bits", "deviation", "rows"):
            found = state_dict.get(prefix + name)
            if found is not None:
                self.register_buffer(name, torch.empty_like(found, device=self.batches.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
