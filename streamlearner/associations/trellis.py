"""Codes coefficients along principal directions of the stream, with trellis-coded quantisation."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from streamlearner.associations.block_covariance import BlockCovariance, PrincipalDirections, blocks_of
from streamlearner.associations.coefficients import SeparableTransform, candidate_count
from streamlearner.associations.longer_codes import LongerCodes
from streamlearner.associations.trellis_code import TrellisQuantiser, allocate

_COSINES_PER_BIT = 3  # for CIFAR-100 half is enough, not where colours vary more than in the prior
_GENERATIONS = 4
_LEAST_BITS_FOR_GENERATIONS = 64
_RELIABLE_FIT = 500  # examples of a fit; of fewer, a fit is poor and codes are few: a better fit recodes them
_COUNT_ALL = 5_000  # examples; then statistics hardly change, and updating them takes longer than coding
_COUNT_ONE_IN = 4  # batches, afterwards
_COUNT_LEVELS = 1_000  # examples; afterwards levels count one batch in four
_UPDATE_LEVELS_EVERY = 50  # batches
_MOST_MATRIX_ENTRIES = 1_500_000  # 6 MB; above, the separable transform is faster


class TrellisAssociation(LongerCodes):
    """Codes the coefficients along the stream's own principal directions, with trellis-coded quantisation.

    Images: the coefficients of the cosine transform (`SeparableTransform`) are decorrelated inside each
    colour channel and each kind of symmetry (even or odd row and column frequencies), by eigenvectors of
    their running covariance (Karhunen-Loeve transform) in blocks so small that a few hundred examples
    determine them. Feature vectors: blocks of 256 features. Bits are allocated one by one where distortion
    falls most; `TrellisQuantiser` turns values into symbols.

    It is fitted after `first_fit_examples` examples, and again each time the number of counted examples has
    grown by the factor `growth`. The first fits are renewals (codes are recoded). Later ones begin a new
    generation: a code names the fit that it was written with (one symbol of four values), and is recoded only
    when all four are taken, as encoding anew what was decoded adds a third to the error. Short codes, of less
    than 64 bits, have no generations and are recoded each time.

    Measured on CIFAR-100 (by coarse class, one pass, three orders; normalised mean squared error of images
    held out of the training set, and, in brackets, of every 24th batch written on the way, as it decodes at
    the end): 120 bits 0.156 (0.172), 240 bits 0.102 (0.112), 600 bits 0.049 (0.058); `TransformAssociation`
    0.183 (0.197), 0.124 (0.137), 0.065 (0.077). Symbols carry 97 % of their bits as entropy: variable-length
    coding could gain no more than 3 %. A batch of 10 and its recollections take about 3 ms of a core at 240
    bits, and 5 ms at 600 (the transform less than 1).
    """

    batches: Tensor
    fit_examples: Tensor
    bits: Tensor
    rows: Tensor
    block: Tensor
    deviation: Tensor
    means: Tensor

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        code_bits: int,
        first_fit_examples: int = 20,
        growth: float = 3.0,
    ) -> None:
        """Starts from a prior without data. `code_bits`: bits of a code, at least 1. ValueError for anything
        else."""
        super().__init__(input_shape=input_shape, code_bits=code_bits)
        if code_bits < 1 or first_fit_examples < 1 or growth <= 1.0:
            raise ValueError(
                f"code_bits {code_bits}, first_fit_examples {first_fit_examples}, growth {growth}: "
                "expected >= 1, >= 1, > 1"
            )
        self.first_fit_examples = first_fit_examples
        self.growth = growth
        self.most_generations = _GENERATIONS if code_bits >= _LEAST_BITS_FOR_GENERATIONS else 1
        candidates = candidate_count(input_shape, code_bits=code_bits, cosines_per_bit=_COSINES_PER_BIT)
        self.transform = SeparableTransform(
            input_shape=self.input_shape, candidates=candidates, thumbnail_pixels=0
        )
        self.covariance = BlockCovariance(
            mean=self.transform.mean,
            variance=self.transform.variance,
            blocks=blocks_of(self.transform.order, input_shape=self.input_shape),
        )
        self.quantiser = TrellisQuantiser()
        for name in ("batches", "fit_examples"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        self._fit()

    @property
    def radices(self) -> tuple[int, ...]:
        """Levels of each symbol, powers of two, of product at most 2 ** code_bits; the first is the
        generation."""
        return self._radices

    @torch.no_grad()
    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Adds `inputs` [n, *input_shape] to the running statistics. Recollections are ignored: they were
        counted when new. After 5,000 examples (`_COUNT_ALL`) one batch in four is counted; fits go by the
        number of counted examples. May begin a new generation: `encode` changes, and codes written before
        keep their meaning.
        """
        self.batches.add_(1)
        fourth = int(self.batches) % _COUNT_ONE_IN == 0
        seen = int(self.covariance.examples)
        if seen >= _COUNT_ALL and not fourth:
            return
        values: Tensor = self.transform(inputs)
        if inputs.ndim == 2:
            values = self.covariance.limited(values)
        self.covariance.update(values)
        if int(self.fit_examples) and (fourth or seen < _COUNT_LEVELS):
            self._count_levels(values)
        if int(self.batches) % _UPDATE_LEVELS_EVERY == 0:
            self.quantiser.update_levels()
        if self._due and self._may_continue:
            self._begin_generation()

    @torch.no_grad()
    def renew(self) -> TrellisAssociation | None:
        """A copy fitted to all inputs so far; None while no fit is due, or it can be a new generation
        instead."""
        if not self._due:
            return None
        renewed = copy.deepcopy(self)
        renewed.fit_again()
        return renewed

    @torch.no_grad()
    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols int64 [n, c] of `inputs` float32 [n, *input_shape], of the latest generation."""
        present = len(self.rows) - 1
        if matrix := self._matrices[present : present + 1]:
            values = (inputs.flatten(1) - self._backgrounds[present]) @ matrix[0].T
        else:
            values = self._along(self.transform(inputs))
        symbols = self.quantiser.encode(values / self.deviation[-1], bits=self.bits, weight=self._weight)
        if self.most_generations == 1:
            return symbols
        return torch.cat([symbols.new_full((len(symbols), 1), present), symbols], 1)

    @torch.no_grad()
    def decode(self, symbols: Tensor) -> Tensor:
        """Recollections float32 [n, *input_shape] of `symbols` int64 [n, c] of any generations."""
        if self.most_generations == 1:
            return self._decoded(self.quantiser.decode(symbols, bits=self.bits), generation=0)
        values = self.quantiser.decode(symbols[:, 1:], bits=self.bits)
        generations = symbols[:, 0].clamp_max(len(self.rows) - 1)
        recollections = values.new_empty(len(values), *self.input_shape)
        for generation in sorted(set(generations.tolist())):
            members = (generations == generation).nonzero().flatten()
            recollections[members] = self._decoded(values[members], generation=generation)
        return recollections

    def _decoded(self, values: Tensor, *, generation: int) -> Tensor:
        """Inputs [n, *input_shape] of values [n, c] of unit variance."""
        values = values * self.deviation[generation]
        if self._matrices:
            matrix, background = self._matrices[generation], self._backgrounds[generation]
            return torch.addmm(background, values, matrix).clamp_(0.0, 1.0).view(-1, *self.input_shape)
        dense = self.covariance.dense_rows(self.rows[generation], self.block[generation])
        return self.transform.inverse(self.means[generation] + values @ dense)

    def _along(self, values: Tensor) -> Tensor:
        """Coefficients [n, m] projected onto the latest directions: [n, c]."""
        return (values - self.means[-1]) @ self.covariance.dense_rows(self.rows[-1], self.block[-1]).T

    def _count_levels(self, values: Tensor) -> None:
        """Adds coefficients [n, m] to the statistics of the quantiser's cells."""
        unit = self._along(values) / self.deviation[-1]
        symbols = self.quantiser.encode(unit, bits=self.bits, weight=self._weight)
        self.quantiser.update(unit, symbols, bits=self.bits)

    @property
    def _due(self) -> bool:
        last = int(self.fit_examples)
        due = math.ceil(last * self.growth) if last else self.first_fit_examples
        return int(self.covariance.examples) >= due

    @property
    def _may_continue(self) -> bool:
        return int(self.fit_examples) >= _RELIABLE_FIT and len(self.rows) < self.most_generations

    def fit_again(self) -> None:
        self.quantiser.update_levels()
        self._fit()

    def _fit(self) -> None:
        """The first generation: which directions are coded, with how many bits each."""
        found = self.covariance.directions()
        room = self.present_bits - (self.most_generations - 1).bit_length()
        bits, chosen = allocate(found.variance, code_bits=room)
        self.register_buffer("bits", bits)
        for name, value in self._generation(found, chosen).items():
            self.register_buffer(name, value[None])
        self._derive()

    def _begin_generation(self) -> None:
        """As many directions as before, from the latest statistics, the one of least variance with the fewest
        bits."""
        self.quantiser.update_levels()
        found = self.covariance.directions()
        chosen = found.variance.argsort(stable=True)[-len(self.bits) :]
        for name, value in self._generation(found, chosen).items():
            self.register_buffer(name, torch.cat([getattr(self, name), value[None]]))
        self._derive()

    def _generation(self, found: PrincipalDirections, chosen: Tensor) -> dict[str, Tensor]:
        """The tensors of a generation of the `chosen` [c] directions."""
        self.fit_examples.copy_(self.covariance.examples)
        return {
            "rows": found.rows[chosen],
            "block": found.block[chosen],
            "deviation": found.variance[chosen].sqrt().clamp_min(1e-4),
            "means": self.covariance.mean,
        }

    def _derive(self) -> None:
        """Tensors computed from the state, for speed; not in the state dict."""
        first = (self.most_generations,) if self.most_generations > 1 else ()
        self._radices = (*first, *(1 << self.bits).tolist())
        self._weight = self.deviation[-1].square()
        self._matrices: list[Tensor] = []
        self._backgrounds: list[Tensor] = []
        if not self.transform.image or len(self.bits) * math.prod(self.input_shape) > _MOST_MATRIX_ENTRIES:
            return
        for rows, block, mean in zip(self.rows, self.block, self.means, strict=True):
            dense = self.covariance.dense_rows(rows, block)
            self._matrices.append(self.transform.synthesis(dense).flatten(1))
            self._backgrounds.append(self.transform.synthesis(mean[None]).flatten(1))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Takes over the shapes of the loaded state: fits may have changed the number of symbols."""
        for name in ("bits", "rows", "block", "deviation", "means"):
            found = state_dict.get(prefix + name)
            if found is not None:
                self.register_buffer(name, torch.empty_like(found, device=self.batches.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._derive()
