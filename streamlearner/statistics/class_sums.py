"""Exact sums: how many examples of each class there were, their sum, and the scatter that all share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamlearner.statistics.halving import Sums, halved

BITS, NARROW = 32, 16
"""Of each number held; of sums by class while all of them fit."""
HIGHEST = 63
"""The numbers that are summed lie within this of 0: six bits and a sign, so that a column that first moved in
small steps has room for large ones. 32-bit sums of their products hold 540,000 examples at least."""
FULL = 2**31 - 1 - 1_024 * HIGHEST**2
"""A sum beyond which a batch of 1,024 might not fit any more."""


class ChangedSums(NamedTuple):
    """Classes of some examples [classes met], and what their sums [classes met, directions] become."""

    classes: NDArray[np.int64]
    sums: NDArray[np.int32]


class ClassSums(nn.Module):
    """Sums of whole numbers from -HIGHEST to HIGHEST along `directions`, by class.

    `counts` [classes], `sums` [classes, directions], `scatter` [directions * (directions + 1) / 2] (the upper
    triangle, row by row), int32. The sums are int16 while all fit, which they do for the first 520 examples
    of a class: hundreds of classes leave room for nearly twice the directions. What was added and then
    subtracted leaves no trace, and shards that are merged hold what one would that saw all. Once the scatter
    might not fit 32 bits, after 540,000 examples at least, all are halved: what is subtracted from then on
    counts twice, and the sums are no longer exact.
    """

    counts: Tensor
    sums: Tensor
    scatter: Tensor

    def __init__(self, directions: int) -> None:
        super().__init__()
        self.halvings = 0  # since when subtracting is not exact any more
        self.register_buffer("counts", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("sums", torch.zeros(0, directions, dtype=torch.int16))
        self.register_buffer("scatter", torch.zeros(triangle(directions), dtype=torch.int32))

    @property
    def classes(self) -> int:
        return len(self.counts)

    @property
    def directions(self) -> int:
        return self.sums.shape[1]

    @property
    def stored_bits(self) -> int:
        return bits_of(self.directions, self.classes, wide=self.wide)

    @property
    def wide(self) -> bool:
        """Whether sums by class take 32 bits each."""
        return self.sums.dtype == torch.int32

    def with_examples(self, numbers: Tensor, labels: Tensor) -> ChangedSums:
        """What sums by class would be with these examples added."""
        return self._sums_with(numbers, labels, sign=1)

    def widens(self, coming: ChangedSums) -> bool:
        """Whether these sums by class need more bits than those held."""
        return not self.wide and not _fits(coming.sums)

    def grow(self, classes: int) -> None:
        """Places for classes up to `classes`, of which nothing was seen yet."""
        if (more := classes - self.classes) > 0:
            self.counts = torch.cat([self.counts, self.counts.new_zeros(more)])
            self.sums = torch.cat([self.sums, self.sums.new_zeros(more, self.directions)])

    def keep(self, directions: int) -> None:
        """Forgets all directions but the first ones; what is left is as if the others had never been."""
        if directions < self.directions:
            square = self.square()[:directions, :directions]
            self.sums = self.sums[:, :directions].clone()
            self.scatter = square[upper(directions)]

    def add(self, numbers: Tensor, labels: Tensor, coming: ChangedSums | None = None) -> None:
        """Examples: `numbers` [n, directions] int, `labels` [n] int64 below `classes`. `coming` are their
        `with_examples`, of as many directions or more, where they are known."""
        self._add(numbers, labels, sign=1, changed=coming or self.with_examples(numbers, labels))

    def subtract(self, numbers: Tensor, labels: Tensor) -> None:
        """As if these examples, which were added, had never been."""
        self._add(numbers, labels, sign=-1, changed=self._sums_with(numbers, labels, sign=-1))

    def erase(self, label: int) -> None:
        """All examples of a class: its count and its sums exactly. What it added to the scatter around its
        mean cannot be told from what others added: so much of the scatter within classes goes as it had of
        the examples, and the covariance within those that are left is as it was."""
        counts, of_class, square = (part.double().numpy() for part in (self.counts, self.sums, self.square()))
        if not (gone := counts[label]):
            return
        between = (of_class.T / np.maximum(counts, 1.0)) @ of_class
        share = gone / counts.sum() * (square - between) + np.outer(of_class[label], of_class[label]) / gone
        self.scatter.numpy()[:] -= np.rint(share[_upper(self.directions)]).astype(np.int32)
        self.counts[label] = 0
        self.sums[label] = 0
        self._narrow()

    def placed(self, places: Mapping[int, int], classes: int) -> ClassSums:
        """A copy for `classes`, with class `k` at `places[k]`."""
        found, order = ClassSums(self.directions), [places[label] for label in range(self.classes)]
        found.grow(classes)
        found.sums = found.sums.to(self.sums.dtype)
        found.counts[order], found.sums[order] = self.counts, self.sums
        found.scatter, found.halvings = self.scatter.clone(), self.halvings
        return found

    def merge(self, other: ClassSums) -> None:
        """What the two would hold as one. Raises ValueError where they have other directions."""
        if other.directions != self.directions:
            raise ValueError(f"sums along {other.directions} directions: expected {self.directions}")
        self.grow(other.classes)
        self._make_room(int(other.scatter.abs().max()) if other.scatter.numel() else 0)
        self.counts[: other.classes] += other.counts
        merged = self.sums.int()
        merged[: other.classes] += other.sums
        self.sums = merged
        self._narrow()
        self.scatter += other.scatter
        self.halvings += other.halvings

    def halve(self) -> None:
        """What was seen so far counts half from now on."""
        held = (part.numpy().astype(np.int64) for part in (self.counts, self.sums, self.square()))
        counts, sums, square = halved(Sums(*held))
        places = _upper(self.directions)
        for part, half in ((self.counts, counts), (self.sums, sums), (self.scatter, square[places])):
            part.numpy()[:] = half
        self.halvings += 1
        self._narrow()

    def square(self, chosen: NDArray[np.int64] | None = None) -> Tensor:
        """The scatter [directions, directions], both triangles; of the `chosen` ones alone."""
        whole = _whole(self.directions)
        places = whole if chosen is None else whole[chosen[:, None], chosen]
        return torch.from_numpy(self.scatter.numpy().take(places))

    def _add(self, numbers: Tensor, labels: Tensor, *, sign: int, changed: ChangedSums) -> None:
        # in place, by numpy, which for so few numbers takes half of torch's time
        met, summed = changed.classes, changed.sums[:, : self.directions]
        if not self.wide and not _fits(summed):
            self.sums = self.sums.int()
        self.sums.numpy()[met] = summed
        self._narrow()
        counts = self.counts.numpy()
        for label in labels.tolist():
            counts[label] += sign
        exact = numbers.numpy().astype(np.float64)  # products of small whole numbers are exact
        added = (exact.T @ exact).take(_flat_upper(self.directions)).astype(np.int32)
        (np.add if sign > 0 else np.subtract)(self.scatter.numpy(), added, out=self.scatter.numpy())
        self._make_room(0)

    def _sums_with(self, numbers: Tensor, labels: Tensor, *, sign: int) -> ChangedSums:
        classes = labels.tolist()
        row_of = {label: row for row, label in enumerate(sorted(set(classes)))}
        met = np.fromiter(row_of, np.int64, len(row_of))
        summed = self.sums.numpy()[met].astype(np.int32)
        for label, each in zip(classes, sign * numbers.numpy().astype(np.int32), strict=True):
            summed[row_of[label]] += each
        return ChangedSums(met, summed)

    def _narrow(self) -> None:
        """Back to few bits where they are enough: what is held says nothing of the way it took."""
        if self.wide and _fits(self.sums.numpy()):
            self.sums = self.sums.short()

    def _make_room(self, coming: int) -> None:
        scatter = self.scatter.numpy()
        held = max(int(scatter.max(initial=0)), -int(scatter.min(initial=0)))
        if held + coming > FULL:
            self.halve()

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.halvings:
            destination[prefix + "halvings"] = torch.tensor(self.halvings)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        self.halvings = int(state_dict.pop(prefix + "halvings", torch.tensor(0)))
        for name in ("counts", "sums", "scatter"):
            if prefix + name in state_dict:
                setattr(self, name, torch.zeros_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def triangle(directions: int) -> int:
    """Numbers in the upper triangle of a square."""
    return directions * (directions + 1) // 2


def upper(directions: int) -> tuple[Tensor, Tensor]:
    """Where they are, row by row."""
    row, column = torch.triu_indices(directions, directions)
    return row, column


@lru_cache(maxsize=8)
def _upper(directions: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    row, column = upper(directions)
    return row.numpy(), column.numpy()


@lru_cache(maxsize=8)
def _flat_upper(directions: int) -> NDArray[np.int64]:
    """The same as places of the square row by row."""
    row, column = _upper(directions)
    flat: NDArray[np.int64] = row * directions + column
    return flat


@lru_cache(maxsize=8)
def _whole(directions: int) -> NDArray[np.int64]:
    """Where each of the square [directions, directions] stands among those of the upper triangle."""
    whole = np.zeros((directions, directions), np.int64)
    row, column = _upper(directions)
    whole[row, column] = whole[column, row] = np.arange(len(row))
    return whole


def _fits(sums: NDArray[np.int32]) -> bool:
    return bool(np.abs(sums).max(initial=0) < 2 ** (NARROW - 1))


def bits_of(directions: int, classes: int, *, wide: bool = True) -> int:
    """Bits that sums along so many directions take."""
    each = BITS if wide else NARROW
    return BITS * (triangle(directions) + classes) + each * classes * directions


def directions_within(budget_bits: int, *, classes: int, most: int, wide: bool = True) -> int:
    """As many directions, up to `most`, as fit the budget with so many classes; 0 where none does."""
    fitting = (d for d in range(most, 0, -1) if bits_of(d, classes, wide=wide) <= budget_bits)
    return next(fitting, 0)
