"""Codes a few coefficients of a fixed transform, with quantisers fitted to the stream."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from streamlearner.associations.coefficients import SeparableTransform, candidate_count
from streamlearner.associations.longer_codes import LongerCodes
from streamlearner.associations.quantiser import cells_of, fitted, iterate_lloyd, levels_of
from streamlearner.networks.outliers import outgrown, without_outliers

_COSINES_PER_BIT = 4  # of CIFAR-100, 107 got some of 240 bits
_MOST_MATRIX_ENTRIES = 250_000  # 1 MB: fits a core's cache
_COUNT_ALL = 2_000  # examples; then statistics hardly change, and updating them takes longer than coding
_COUNT_ONE_IN = 4  # batches, afterwards


class TransformAssociation(LongerCodes):
    """Quantises the coefficients that vary most, each with as many levels as its variance deserves.

    Images: orthonormal colour transform (three channels only) and 2-D cosine transform, or, with
    `thumbnail_pixels`, means of square blocks; feature vectors: the identity. Bits are allocated greedily,
    one at a time, to the coefficient whose distortion falls most. A coefficient's quantiser starts as the
    Lloyd-Max quantiser (Lloyd, 1982) of a Gaussian or Laplacian of its mean and variance; each renewal is
    then one Lloyd iteration, with the means of the cells since the last.

    It starts from a prior without data (variance falling with frequency), and is renewed after
    `first_fit_examples` examples and then each time the number of counted examples has grown by the factor
    `growth`.

    Measured (normalised mean squared error on unseen images, fitted to the stream alone): CIFAR-100, cosine
    transform, 240 bits 0.125, 600 bits 0.066; MNIST at 100 bits, cosine 0.44, one-bit thumbnails of 2 pixels
    0.38. For class-incremental MNIST in 62,720 bits thumbnails win: 96.7 % (two seeds) against 95.1 %
    (one seed) on held-out training images. Nothing was fitted on other data.
    """

    examples: Tensor
    batches: Tensor
    fit_examples: Tensor
    shift: Tensor
    square: Tensor
    absolute: Tensor
    centre: Tensor
    index: Tensor
    table: Tensor
    cell_count: Tensor
    cell_total: Tensor
    thresholds: Tensor
    matrix: Tensor
    background: Tensor
    rest: Tensor
    base: Tensor

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        code_bits: int,
        most_symbol_bits: int = 5,
        thumbnail_pixels: int = 0,
        first_fit_examples: int = 20,
        growth: float = 2.0,
    ) -> None:
        """Starts from the prior. `code_bits`: at least 1. `most_symbol_bits`: 1 to 6. `thumbnail_pixels`: 0
        for the cosine transform, else the side of the blocks whose means are coded. Or ValueError."""
        super().__init__(input_shape=input_shape, code_bits=code_bits)
        _check_bits(code_bits=code_bits, most_symbol_bits=most_symbol_bits)
        _check_schedule(first_fit_examples=first_fit_examples, growth=growth)
        if thumbnail_pixels < 0 or (thumbnail_pixels and len(input_shape) != 3):
            raise ValueError(
                f"thumbnail_pixels {thumbnail_pixels} with input_shape {input_shape}: images only, >= 0"
            )
        self.most_symbol_bits = most_symbol_bits
        self.first_fit_examples = first_fit_examples
        self.growth = growth
        candidates = candidate_count(
            input_shape,
            code_bits=code_bits,
            cosines_per_bit=_COSINES_PER_BIT,
            thumbnail_pixels=thumbnail_pixels,
        )
        self.transform = SeparableTransform(
            input_shape=self.input_shape, candidates=candidates, thumbnail_pixels=thumbnail_pixels
        )
        mean, variance = self.transform.mean.clone(), self.transform.variance
        self._create_statistics(mean)
        self._adopt(*self._fitted(mean, variance, torch.zeros_like(variance, dtype=torch.bool)), mean)

    @property
    def radices(self) -> tuple[int, ...]:
        """Levels of each symbol, all powers of two, of product at most 2 ** code_bits."""
        return self._radices

    @torch.no_grad()
    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Adds `inputs` [n, *input_shape] to the running statistics. Recollections are ignored: they were
        counted when new. After 2,000 examples (`_COUNT_ALL`) only one batch in four (`_COUNT_ONE_IN`) is
        counted. Renewals go by the number of counted examples.
        """
        self.batches.add_(1)
        if int(self.examples) >= _COUNT_ALL and int(self.batches) % _COUNT_ONE_IN:
            return
        values: Tensor = self.transform(inputs)
        if inputs.ndim == 2:
            values = self._limited(values)
        self._count_cells(values.index_select(1, self.index))
        if not self.examples:
            self.centre.copy_(values.mean(0))
        self.examples.add_(inputs.shape[0])
        weight = inputs.shape[0] / int(self.examples)
        values -= self.centre
        self.shift.lerp_(values.mean(0), weight)
        self.square.lerp_(values.square().mean(0), weight)
        self.absolute.lerp_(values.abs_().mean(0), weight)

    def _limited(self, values: Tensor) -> Tensor:
        """Feature vectors [n, d] without outliers. An absurd beginning is forgotten."""
        mean, variance = self.centre + self.shift, (self.square - self.shift.square()).clamp_min(0.0)
        if bool(outgrown(values, mean=mean, variance=variance, seen=int(self.examples)).any()):
            self.examples.zero_()
            for part in (self.shift, self.square, self.absolute):
                part.zero_()
        return without_outliers(values, mean=mean, variance=variance, seen=int(self.examples))

    @torch.no_grad()
    def renew(self) -> TransformAssociation | None:
        """A copy with tables fitted to all inputs so far; None before the next fit is due."""
        last = int(self.fit_examples)
        due = math.ceil(last * self.growth) if last else self.first_fit_examples
        if int(self.examples) < due:
            return None
        renewed = copy.deepcopy(self)
        renewed.fit_again()
        return renewed

    @torch.no_grad()
    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols int64 [n, c] of `inputs` float32 [n, *input_shape]: the cell of each coefficient."""
        if len(self.matrix):
            return self._symbols(inputs.flatten(1) @ self.matrix.T)
        return self._symbols(self.transform(inputs).index_select(1, self.index))

    @torch.no_grad()
    def decode(self, symbols: Tensor) -> Tensor:
        """Recollections float32 [n, *input_shape] of `symbols` int64 [n, c]: of the means of their cells."""
        means = self.table.view(-1)[symbols + self.base]
        if len(self.matrix):
            flat = torch.addmm(self.background, means, self.matrix).clamp_(0.0, 1.0)
            return flat.view(-1, *self.input_shape)
        values = self.rest.repeat(len(symbols), 1)
        values[:, self.index] = means
        return self.transform.inverse(values)

    def _symbols(self, values: Tensor) -> Tensor:
        """Quantiser cells int64 [n, c] of coefficients [n, c]."""
        return cells_of(values, self.thresholds)

    def _count_cells(self, values: Tensor) -> None:
        """Adds coefficients [n, c] to the counts and sums of their cells."""
        cells = (self._symbols(values) + self.base).view(-1)
        self.cell_count.view(-1).index_add_(0, cells, torch.ones_like(values).view(-1))
        self.cell_total.view(-1).index_add_(0, cells, values.reshape(-1))

    def fit_again(self) -> None:
        """New allocation and tables from the statistics so far."""
        variance = (self.square - self.shift.square()).clamp_min(0.0)
        mean = self.centre + self.shift
        # E|x - m| / sigma is 0.80 for a Gaussian and 0.71 for a Laplacian: cut half-way
        peaked = self.absolute < 0.753 * self.square.sqrt()
        index, table = self._fitted(mean, variance, peaked)
        former, count, total = self.table, self.cell_count, self.cell_total
        iterate_lloyd(table, index, former=former, former_index=self.index, count=count, total=total)
        self.fit_examples.copy_(self.examples)
        self._adopt(index, table, mean)

    def _fitted(self, mean: Tensor, variance: Tensor, peaked: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients [c] and table [c, levels] for the distribution of all coefficients [k]."""
        return fitted(mean, variance, peaked, code_bits=self.present_bits, most_bits=self.most_symbol_bits)

    def _create_statistics(self, centre: Tensor) -> None:
        """Running means of deviations from `centre` [k], for precision, their squares and magnitudes."""
        for name in ("examples", "batches", "fit_examples"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        self.register_buffer("centre", centre)
        for name in ("shift", "square", "absolute"):
            self.register_buffer(name, torch.zeros_like(centre))

    def _adopt(self, index: Tensor, table: Tensor, mean: Tensor) -> None:
        """Uses `table` [c, levels] for coefficients `index` [c], and the `mean` [k] of all others."""
        self.register_buffer("index", index)
        self.register_buffer("table", table)
        self.register_buffer("cell_count", torch.zeros_like(table))
        self.register_buffer("cell_total", torch.zeros_like(table))
        rest = mean.clone()
        rest[index] = 0.0
        self.register_buffer("rest", rest)
        self._derive()

    def _derive(self) -> None:
        """Tensors computed from the state, for speed; not in the state dict."""
        rows, levels = torch.arange(len(self.table), device=self.table.device), self.table.shape[1]
        self._radices = levels_of(self.table)
        self.register_buffer("thresholds", (self.table[:, 1:] + self.table[:, :-1]) / 2, persistent=False)
        self.register_buffer("base", rows * levels, persistent=False)
        self._derive_matrix()

    def _derive_matrix(self) -> None:
        """For small images one matrix [c, pixels] that encodes and decodes, in a third of the time."""
        pixels = math.prod(self.input_shape)
        small = self.transform.image and len(self.index) * pixels <= _MOST_MATRIX_ENTRIES
        units = torch.zeros(len(self.index) if small else 0, len(self.centre), device=self.centre.device)
        units[torch.arange(len(units), device=units.device), self.index[: len(units)]] = 1.0
        matrix = self.transform.synthesis(units).flatten(1)
        background = self.transform.synthesis(self.rest[None]).flatten(1)
        self.register_buffer("matrix", matrix, persistent=False)
        self.register_buffer("background", background, persistent=False)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Takes over the shapes of the loaded state: renewals may have changed them."""
        for name in ("index", "table", "cell_count", "cell_total"):
            found = state_dict.get(prefix + name)
            if found is not None:
                self.register_buffer(name, torch.empty_like(found, device=self.centre.device))
        self._complete(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._derive()

    def _complete(self, state_dict: dict[str, Any], prefix: str) -> None:
        """Of large images 0.1.0 counted the first blocks alone: the others begin with the prior."""
        for name in ("centre", "shift", "square", "absolute", "rest"):
            found = state_dict.get(prefix + name)
            if found is not None and len(found) < len(self.transform.mean):
                prior = self.transform.mean if name in ("centre", "rest") else torch.zeros_like(self.shift)
                state_dict[prefix + name] = torch.cat([found, prior[len(found) :].to(found)])


def _check_bits(*, code_bits: int, most_symbol_bits: int) -> None:
    if code_bits < 1 or not 1 <= most_symbol_bits <= 6:
        raise ValueError(f"code_bits {code_bits}, most_symbol_bits {most_symbol_bits}: expected >= 1, 1 to 6")


def _check_schedule(*, first_fit_examples: int, growth: float) -> None:
    if first_fit_examples < 1 or growth <= 1.0:
        raise ValueError(f"first_fit_examples {first_fit_examples}, growth {growth}: expected >= 1, > 1")
