"""The association of a small image's principal components, with a trained correction of what is decoded."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import torch
from torch import Tensor

from streamlearner.associations.block_covariance import BlockCovariance
from streamlearner.associations.contract import Association, CodingContext
from streamlearner.associations.correction import Correction
from streamlearner.associations.trellis_code import TrellisQuantiser, allocate
from streamlearner.decoding.shapes import written
from streamlearner.errors import ConfigError
from streamlearner.registry.associations import KarhunenLoeveSection

MOST_VALUES = 1_024
"""Largest image, in values: eigenvectors for 784 take half a second of a core, for 3,072 half a minute."""
_COUNT_ALL = 5_000  # examples; then statistics hardly change
_COUNT_ONE_IN = 4  # batches, afterwards
_UPDATE_LEVELS_EVERY = 50  # batches


class KarhunenLoeveAssociation(Association):
    """Codes some principal components of the whole image (Karhunen-Loeve transform) with trellis-coded
    quantisation.

    For images that are aligned, like handwriting: where ink can be matters more than frequency, and one
    covariance of all pixels tells. Bits are allocated one by one to the component whose distortion falls
    most; `TrellisQuantiser` turns components into symbols; `Correction`, a small network, lowers the mean
    absolute error of what they decode to.

    It is fitted after `first_fit_examples` examples and again each time the number of counted examples has
    grown by the factor `growth`; the correction is then transformed to the new components and trained
    further.

    Measured (MNIST, mean absolute error on test images). In one pass, as in a daemon, with these defaults,
    one seed: 0.055 at 24 bits and 0.027 at 100 (`TrellisAssociation` 0.104 and 0.070, thumbnails 0.072 at
    100). With `growth` 16 and 1,000 hidden units after five passes, three seeds: 0.051 at 24 bits (paper 003,
    training images: 0.0755); the bench's distortion experiment has other lengths. In exchange it has 62 to
    123 million bits of parameters (7 to 15 MiB), and a batch takes about 5 ms of a core instead of less than
    1.
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
        """Starts from a prior without data. `code_bits`: bits of a code, at least 1; `hidden` units of the
        correction, whose initial weights `generator` draws. ValueError for anything else, and for inputs that
        are no images of at most 1,024 values."""
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

    @classmethod
    def build(cls, settings: KarhunenLoeveSection, context: CodingContext) -> Self:
        """Raises ConfigError for inputs that it cannot code."""
        if len(context.input_shape) != 3 or math.prod(context.input_shape) > MOST_VALUES:
            raise ConfigError(
                f"association.name: karhunen_loeve is for images of at most {MOST_VALUES} values; "
                f"found inputs of shape {written(context.input_shape)}: use auto"
            )
        return cls(
            input_shape=context.input_shape,
            code_bits=context.code_bits,
            generator=context.generator,
            hidden=settings.hidden,
            growth=settings.growth,
        )

    @property
    def radices(self) -> tuple[int, ...]:
        """Levels of each symbol, powers of two, of product at most 2 ** code_bits."""
        return tuple((1 << self.bits).tolist())

    @torch.no_grad()
    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Adds `inputs` [n, *input_shape] to the running statistics, and trains the correction on them.
        Recollections are ignored: they were learned when new.

        After 5,000 examples (`_COUNT_ALL`) one batch in four is counted; fits go by the number of counted
        examples.
        """
        flat = inputs.flatten(1)
        self.batches.add_(1)
        if int(self.covariance.examples) < _COUNT_ALL or int(self.batches) % _COUNT_ONE_IN == 0:
            self.covariance.update(flat)
        if not int(self.fit_examples):
            return
        unit = self._unit(flat)
        symbols = self.quantiser.encode(unit, bits=self.bits, weight=self.deviation.square())
        self.quantiser.update(unit, symbols, bits=self.bits)
        if int(self.batches) % _UPDATE_LEVELS_EVERY == 0:
            self.quantiser.update_levels()
        components = self.quantiser.decode(symbols, bits=self.bits)
        self.correction.learn(components, self._linear(components), flat)

    @torch.no_grad()
    def renew(self) -> KarhunenLoeveAssociation | None:
        """A copy fitted to all inputs so far; None before the next scheduled number of examples."""
        last = int(self.fit_examples)
        due = math.ceil(last * self.growth) if last else self.first_fit_examples
        if int(self.covariance.examples) < due:
            return None
        renewed = copy.deepcopy(self)
        renewed.quantiser.update_levels()
        renewed.fit_examples.copy_(renewed.covariance.examples)
        renewed._fit()
        renewed.correction.change_basis(self._from_components_of(renewed))
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
        """The matrix [other's c, c] that maps components of `other` to these.

        Components have unit variance, so its columns are limited to length 1: a first fit to 20 examples
        estimates some variances near 0, and dividing by those would undo all that the correction has learned.
        """
        matrix: Tensor = other.deviation[:, None] * (other.rows @ self.rows.T) / self.deviation
        lengths: Tensor = matrix.square().sum(0).sqrt()
        return matrix / lengths.clamp_min(1.0)

    def _unit(self, flat: Tensor) -> Tensor:
        """Components [n, c] of images [n, values], scaled to unit variance."""
        return (flat - self.mean) @ self.rows.T / self.deviation

    def _linear(self, components: Tensor) -> Tensor:
        """Images [n, values] reconstructed linearly from `components` [n, c] of unit variance, without
        correction."""
        return torch.addmm(self.mean, components * self.deviation, self.rows)

    def _fit(self) -> None:
        """Chooses components and their bits by the statistics so far."""
        found = self.covariance.directions()
        bits, chosen = allocate(found.variance, code_bits=self.code_bits)
        self.register_buffer("bits", bits)
        self.register_buffer("deviation", found.variance[chosen].sqrt().clamp_min(1e-4))
        self.register_buffer("rows", found.rows[chosen])
        self.register_buffer("mean", self.covariance.mean.clone())

    def _load_from_state_dict(  # torch's own signature
        self, state_dict: dict[str, Any], prefix: str, *rest: Any
    ) -> None:
        """Takes over the shapes of the loaded state: fits may have changed the number of symbols."""
        for name in ("bits", "deviation", "rows"):
            found = state_dict.get(prefix + name)
            if found is not None:
                self.register_buffer(name, torch.empty_like(found, device=self.batches.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
