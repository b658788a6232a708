"""Running block-diagonal covariances of coefficients, and their principal directions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamlearner.networks.outliers import is_sound, outgrown, without_outliers

_FEATURES_IN_BLOCK = 256
_MOST_IN_BLOCK = 16  # 0.5 to 1 % more error than 48, in a third of the parameters (CIFAR-100)


class PrincipalDirections(NamedTuple):
    """Principal directions: orthonormal `rows` [d, b] over the b coefficients of their `block` int64 [d],
    with the `variance` [d] along each."""

    rows: Tensor
    block: Tensor
    variance: Tensor


class BlockCovariance(nn.Module):
    """Running mean [m] and block-diagonal covariance of coefficients: different blocks are assumed to be
    uncorrelated.

    Deviations are taken from `centre`, the mean of the first batch, for float32's precision.
    """

    places: Tensor
    examples: Tensor
    centre: Tensor
    shift: Tensor
    product: Tensor

    def __init__(self, *, mean: Tensor, variance: Tensor, blocks: Tensor) -> None:
        """Starts from a prior: `mean` and `variance` [m], no correlations. `blocks` int64 [m]: the block of
        each coefficient."""
        super().__init__()
        members = [(blocks == number).nonzero().flatten() for number in sorted(set(blocks.tolist()))]
        places = nn.utils.rnn.pad_sequence(members, batch_first=True, padding_value=len(mean))
        self.register_buffer("places", places, persistent=False)  # [blocks, b]; m where a block is smaller
        self._in_order = places.flatten()[: len(mean)].tolist() == list(range(len(mean)))
        self.register_buffer("examples", torch.zeros((), dtype=torch.int64))
        self.register_buffer("centre", mean.clone())
        self.register_buffer("shift", torch.zeros_like(mean))
        self.register_buffer("product", torch.diag_embed(self._placed(variance[None])[:, 0]))

    @property
    def mean(self) -> Tensor:
        """Mean [m] of all coefficients so far; the prior's before any."""
        return self.centre + self.shift

    @property
    def square(self) -> Tensor:
        """Mean square [m] of deviations from `centre`."""
        placed = self.product.diagonal(dim1=1, dim2=2).flatten()
        if self._in_order:
            return placed[: len(self.centre)]
        squares = placed.new_zeros(len(self.centre) + 1)
        squares[self.places.flatten()] = placed
        return squares[:-1]

    @property
    def variance(self) -> Tensor:
        """Variance [m] of all coefficients so far; the prior's before any."""
        return (self.square - self.shift.square()).clamp_min(0.0)

    def limited(self, values: Tensor) -> Tensor:
        """Feature vectors [n, m] without outliers, to be added. An absurd beginning is forgotten: the next
        `update` is the first."""
        mean, variance, seen = self.mean, self.variance, int(self.examples)
        if is_sound(mean=mean, variance=variance, seen=seen):
            return without_outliers(values, mean=mean, variance=variance, seen=seen)
        if bool(outgrown(values, mean=mean, variance=variance, seen=seen).any()):
            self.examples.zero_()
            if not self.product.isfinite().all():
                self.product.zero_()  # which no weight would make finite
                self.shift.zero_()
        return without_outliers(values, mean=mean, variance=variance, seen=int(self.examples))

    def update(self, values: Tensor) -> None:
        """Adds coefficients [n, m] to the running statistics."""
        if not self.examples:
            self.centre.copy_(values.mean(0))
        self.examples.add_(len(values))
        weight = len(values) / int(self.examples)
        values = values - self.centre
        placed = self._placed(values)
        self.shift.lerp_(values.mean(0), weight)
        self.product.lerp_(placed.transpose(1, 2) @ placed / len(values), weight)

    def directions(self, scale: Tensor | None = None) -> PrincipalDirections:
        """The eigenvectors of each block, with their variances; of coefficients times `scale` [m].

        With n examples and blocks of b, covariances are multiplied by n / (n + b) (shrinkage): with few
        examples correlations arise by chance.
        """
        shift = self._placed(self.shift[None])
        covariance = self.product - shift.transpose(1, 2) @ shift
        if scale is not None:
            placed = self._placed(scale[None])
            covariance = covariance * placed.transpose(1, 2) * placed
        size = covariance.shape[1]
        variance = covariance.diagonal(dim1=1, dim2=2).clamp_min(0.0).clone()
        covariance *= int(self.examples) / (int(self.examples) + size)
        covariance.diagonal(dim1=1, dim2=2).copy_(variance)
        found, vectors = torch.linalg.eigh(covariance.double())
        block = torch.arange(len(found), device=found.device).repeat_interleave(size)
        rows = vectors.transpose(1, 2).reshape(-1, size).float()
        return PrincipalDirections(rows, block, found.flatten().float().clamp_min_(0.0))

    def dense_rows(self, rows: Tensor, block: Tensor) -> Tensor:
        """Directions `rows` [d, b] of `block` [d] as rows over all coefficients [d, m]."""
        dense = rows.new_zeros(len(rows), len(self.centre) + 1)
        dense.scatter_(1, self.places[block], rows)
        return dense[:, :-1].contiguous()

    def _placed(self, values: Tensor) -> Tensor:
        """`values` [n, m] by block, [blocks, n, b]; zeros where a block is smaller."""
        if self._in_order and len(self.places) == 1:
            return values.unsqueeze(0)
        padded = functional.pad(values, (0, 1))
        return padded[:, self.places].transpose(0, 1)


def blocks_of(order: Tensor, *, input_shape: tuple[int, ...]) -> Tensor:
    """The block of each coefficient, int64 [m]; `order` [m] are the coefficients' positions in the flattened
    transform.

    In natural images coefficients of different channels, or of different symmetry (even or odd row and column
    frequencies), are hardly correlated; of the others, those next to each other in `order` are most.
    """
    if len(input_shape) == 1:
        return order // _FEATURES_IN_BLOCK
    _, height, width = input_shape
    channel, row, column = order // (height * width), order // width % height, order % width
    kind = channel * 4 + row % 2 * 2 + column % 2
    rank = functional.one_hot(kind).cumsum(0).gather(1, kind[:, None]).squeeze(1) - 1
    return kind + rank // _MOST_IN_BLOCK * (int(kind.max()) + 1)
