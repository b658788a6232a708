"""The association of feature vectors: whole while they fit, then coded along their principal directions."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any, Self

import torch
from torch import Tensor

from streamlearner.associations import rounded
from streamlearner.associations.block_covariance import BlockCovariance
from streamlearner.associations.contract import Association, CodingContext
from streamlearner.associations.lengths import lengths_of, longer, shorter
from streamlearner.associations.quantiser import cells_of, fitted, levels_of, levels_towards_means
from streamlearner.associations.transform import TransformAssociation
from streamlearner.memory.code_size import LEAST_FEATURE_BITS
from streamlearner.networks.outliers import REACH

MOST_BITS = 6
"""Of a symbol."""
_GAUSSIAN = 0.8  # mean magnitude of a deviation, of their root mean square; less where one value is usual
_BLOCK = 256  # columns whose correlations are watched: eigenvectors of 256 take 16 ms of a core
_GROWTH = 2.5
_LEAST_WEIGHT = 0.05  # of a column that one in 2,500 times has another value than usual
_COUNT_ALL = 2_000  # examples; then statistics hardly change
_COUNT_ONE_IN = 4  # batches, afterwards
_MOVE_LEVELS_EVERY = 50  # batches


class VectorAssociation(Association):
    """Stores vectors whole, but for rounding, while memory has room, and then as codes that get shorter.

    Columns are taken in units of their own deviation, so that scales do not matter; those that never vary,
    or nearly always have one value, cost little or nothing. Their principal directions (Karhunen-Loeve
    transform, in blocks of 256 columns) get bits one by one where distortion falls most, and Lloyd-Max
    quantisers, whose levels move to the means of their cells. It is fitted after the first batch, and again
    each time the number of counted examples has grown by 2.5.

    Measured: mean squared error in units of each column's variance, and over that of the class means
    (`TransformAssociation`, whose bits go by raw variance, in brackets): breast cancer, 60 bits, 0.048 (0.56)
    and 0.07 (0.79); wine, 26 bits, 0.094 (0.32) and 0.17 (0.58).
    """

    length: Tensor
    shortest: Tensor | None
    absolute: Tensor
    mean: Tensor
    deviation: Tensor
    weight: Tensor
    batches: Tensor
    fit_examples: Tensor
    rows: Tensor
    block: Tensor
    table: Tensor
    cell_count: Tensor
    cell_total: Tensor
    into: Tensor
    back: Tensor
    thresholds: Tensor
    base: Tensor

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        code_bits: int,
        may_be_longer: bool = False,
        least_bits: int | None = None,
    ) -> None:
        """Starts from a prior without data, with codes of `code_bits`, at least 1. With `may_be_longer`
        vectors are whole from the first fit on, until `shortened`: to `code_bits`, or by halves on to
        `least_bits`. ValueError for anything else."""
        super().__init__(input_shape=input_shape)
        if len(input_shape) != 1 or code_bits < 1:
            raise ValueError(f"input_shape {input_shape}, code_bits {code_bits}: expected (features,), >= 1")
        (values,), self.code_bits = input_shape, code_bits
        whole = rounded.BITS * values
        allowed = lengths_of(code_bits, least=least_bits or code_bits, whole=whole)
        self.lengths = allowed if may_be_longer else [code_bits]
        self.covariance = BlockCovariance(
            mean=torch.zeros(values), variance=torch.ones(values), blocks=torch.arange(values) // _BLOCK
        )
        for name in ("batches", "fit_examples"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        self.register_buffer("length", torch.tensor(min(code_bits, self.lengths[-1])))
        self.register_buffer("shortest", None)  # length, where shorter codes were refused
        for name, at_first in (("absolute", 0.0), ("mean", 0.0), ("deviation", 1.0), ("weight", 1.0)):
            self.register_buffer(name, torch.full((values,), at_first))
        self._choose_directions()

    @classmethod
    def build(cls, settings: Any, context: CodingContext) -> Self:
        return cls(
            input_shape=context.input_shape,
            code_bits=context.code_bits,
            may_be_longer=not context.is_fixed,
            least_bits=LEAST_FEATURE_BITS,
        )

    @property
    def is_whole(self) -> bool:
        """Whether vectors are only rounded."""
        return int(self.length) >= rounded.BITS * self.input_shape[0]

    @property
    def radices(self) -> tuple[int, ...]:
        """Levels of each symbol, powers of two, of product at most 2 ** `length`."""
        return (256,) * (3 * self.input_shape[0]) if self.is_whole else self._radices

    @torch.no_grad()
    def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
        """Adds `inputs` [n, d] to the running statistics. Recollections are ignored: they were counted when
        new. After 2,000 examples one batch in four is counted; fits go by the number of counted examples."""
        self.batches.add_(1)
        seen = int(self.covariance.examples)
        if seen >= _COUNT_ALL and int(self.batches) % _COUNT_ONE_IN:
            return
        within = self.covariance.limited(inputs)
        self.covariance.update(within)
        away = (within - self.covariance.centre).abs().mean(0)
        self.absolute.lerp_(away, len(inputs) / int(self.covariance.examples))
        if not self.is_whole:
            self._count_cells(inputs)
        if int(self.batches) % _MOVE_LEVELS_EVERY == 0:
            self._move_levels()

    @torch.no_grad()
    def renew(self) -> VectorAssociation | None:
        """A copy fitted to all inputs so far; None before the next scheduled number of examples."""
        seen, fitted_to = int(self.covariance.examples), int(self.fit_examples)
        if not fitted_to and seen:
            return self._refitted(self.lengths[-1])
        return None if self.is_whole or seen < fitted_to * _GROWTH else self._refitted(int(self.length))

    @torch.no_grad()
    def shortened(self, most_bits: float) -> VectorAssociation | None:
        least, now = int(self.shortest or 0), int(self.length)
        bits = shorter(self.lengths, than=now, most=most_bits, least=least)
        return None if bits is None else self._refitted(bits)

    @torch.no_grad()
    def refitted(self) -> VectorAssociation | None:
        return None if self.is_whole else self._refitted(int(self.length))

    @torch.no_grad()
    def lengthened(self, most_bits: float) -> VectorAssociation | None:
        if (bits := longer(self.lengths, than=int(self.length), most=most_bits)) is None:
            return None
        found = self._refitted(bits)
        found.shortest = torch.tensor(bits)
        return found

    @torch.no_grad()
    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols int64 [n, c] of `inputs` float32 [n, d]."""
        if self.is_whole:
            return rounded.to_bytes(inputs)
        return self._symbols(self._along(inputs))

    @torch.no_grad()
    def decode(self, symbols: Tensor) -> Tensor:
        """Recollections float32 [n, d] of `symbols` int64 [n, c]."""
        if self.is_whole:
            return rounded.from_bytes(symbols)
        return torch.addmm(self.mean, self.table.view(-1)[symbols + self.base], self.back)

    def _along(self, inputs: Tensor) -> Tensor:
        """Vectors [n, d] along the directions, [n, c]."""
        limit = REACH * self.deviation
        return (inputs - self.mean).clamp(-limit, limit) @ self.into

    def _symbols(self, values: Tensor) -> Tensor:
        return cells_of(values, self.thresholds)

    def _count_cells(self, inputs: Tensor) -> None:
        values = self._along(inputs)
        cells = (self._symbols(values) + self.base).view(-1)
        self.cell_count.view(-1).index_add_(0, cells, torch.ones_like(values).view(-1))
        self.cell_total.view(-1).index_add_(0, cells, values.reshape(-1))

    def _move_levels(self) -> None:
        """One Lloyd iteration, in part: codes stay decodable, on average to nearer values."""
        self.table.copy_(levels_towards_means(self.table, self.cell_count, self.cell_total))
        self.cell_count.zero_()
        self.cell_total.zero_()
        self._derive()

    def _refitted(self, length: int) -> VectorAssociation:
        renewed = copy.deepcopy(self)
        renewed.length.fill_(length)
        renewed.fit_examples.copy_(renewed.covariance.examples)
        if not renewed.is_whole:
            renewed._measure_columns()
            renewed._choose_directions()
        return renewed

    def _measure_columns(self) -> None:
        """Means, deviations and weights of the columns by the statistics so far."""
        mean, variance = self.covariance.mean, self.covariance.variance
        varies = variance > (1e-6 * mean).square()
        weight = self.absolute / self.covariance.square.sqrt().clamp_min(1e-30) / _GAUSSIAN
        weight = weight.clamp_max(1.0)
        self.mean.copy_(mean)
        self.deviation.copy_(variance.sqrt().where(varies, 1.0))
        self.weight.copy_(weight.where(varies & (weight > _LEAST_WEIGHT), 0.0))

    def _choose_directions(self) -> None:
        """Directions and their levels by the statistics so far."""
        found = self.covariance.directions(self.weight / self.deviation)
        variance, zeros, bits = found.variance, torch.zeros_like(found.variance), int(self.length)
        index, table = fitted(zeros, variance, zeros.bool(), code_bits=bits, most_bits=MOST_BITS)
        self._adopt(found.rows[index], found.block[index], table)

    def _adopt(self, rows: Tensor, block: Tensor, table: Tensor) -> None:
        for name, value in (("rows", rows), ("block", block), ("table", table)):
            self.register_buffer(name, value)
        self.register_buffer("cell_count", torch.zeros_like(table))
        self.register_buffer("cell_total", torch.zeros_like(table))
        self._derive()

    def _derive(self) -> None:
        """Tensors computed from the state, for speed; not in the state dict."""
        self._radices = levels_of(self.table)
        rows = self.covariance.dense_rows(self.rows, self.block)
        out = self.deviation / self.weight
        for name, value in (
            ("into", (rows * self.weight / self.deviation).T.contiguous()),
            ("back", rows * out.where(self.weight > 0, 0.0)),
            ("thresholds", (self.table[:, 1:] + self.table[:, :-1]) / 2),
            ("base", torch.arange(len(self.table)) * self.table.shape[1]),
        ):
            self.register_buffer(name, value, persistent=False)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Takes over the shapes of the loaded state: fits may have changed the number of symbols."""
        self.shortest = None
        for name in ("rows", "block", "table", "cell_count", "cell_total", "shortest"):
            found = state_dict.get(prefix + name)
            if found is not None:
                self.register_buffer(name, torch.empty_like(found, device=self.batches.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._derive()

    def restoring(self, names: Collection[str]) -> Association:
        """0.1.0 had another one for vectors."""
        if "index" not in names:
            return self
        return TransformAssociation(input_shape=self.input_shape, code_bits=self.code_bits)
