"""Exact sums, as `ClassSums` holds them, in no more bits than they need."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from streamlearner.statistics.excess import (
    bits_of,
    excess_of,
    expected_of,
    fewer,
    groups_of,
)
from streamlearner.statistics.halving import Ints, Sums, halved
from streamlearner.statistics.packed_integers import pack, packed_bits, unpack

UNBOUNDED = 2**62
FULL = 2**30
"""A sum of squares, or a count, beyond which all are halved."""


class PackedSums(nn.Module):
    """Sums of whole numbers along `directions`, by class, inside a budget of bits: as many of the directions,
    from the first, as there is room for.

    Sums, and products of two directions, take as many bits each as the largest of their group needs. So what
    was added and then subtracted leaves no trace, and shards that are merged hold what one would that saw
    all. Where more examples need more bits, the last directions are given up. Once a sum is beyond `FULL`,
    after 20 million examples, all are halved, and sums are no longer exact.

    `counts` [classes] and `size` [], the number of directions, are int32; `widths` [groups and one, 2],
    `packed_sums` and `packed_products` are bytes.
    """

    counts: Tensor
    size: Tensor
    widths: Tensor
    packed_sums: Tensor
    packed_products: Tensor

    def __init__(self, directions: int, *, budget_bits: int) -> None:
        super().__init__()
        self.budget_bits = budget_bits
        self.halvings = 0  # since when subtracting is not exact any more
        nothing = np.zeros((directions, directions), np.int64)
        self._hold(Sums(np.zeros(0, np.int64), np.zeros((0, directions), np.int64), nothing))

    @property
    def classes(self) -> int:
        return len(self.counts)

    @property
    def directions(self) -> int:
        return int(self.size)

    @property
    def stored_bits(self) -> int:
        return 8 * sum(int(buffer.nbytes) for buffer in self.buffers())

    @property
    def sums(self) -> Tensor:
        """[classes, directions] int64."""
        return torch.from_numpy(self.held().sums)

    def square(self) -> Tensor:
        """The scatter about 0 [directions, directions], both triangles."""
        return torch.from_numpy(self.held().scatter)

    def grow(self, classes: int) -> None:
        """Places for classes up to `classes`, of which nothing was seen yet."""
        if (more := classes - self.classes) > 0:
            held = self.held()
            sums = np.vstack([held.sums, np.zeros((more, self.directions), np.int64)])
            self._hold(Sums(np.append(held.counts, np.zeros(more, np.int64)), sums, held.scatter))

    def fit(self, budget_bits: int) -> None:
        """As many directions as this budget has room for."""
        self.budget_bits = budget_bits
        self._hold(self.held())

    def add(self, numbers: Tensor, labels: Tensor, *, sign: int = 1) -> None:
        """Examples: `numbers` [n, directions or more] of any integer type, `labels` [n] below `classes`."""
        held, new = self.held(), numbers[:, : self.directions].double().numpy()
        np.add.at(held.counts, labels.numpy(), sign)
        np.add.at(held.sums, labels.numpy(), sign * new.astype(np.int64))
        scatter = held.scatter + sign * (new.T @ new).astype(np.int64)  # small whole numbers: exact
        self._hold(Sums(held.counts, held.sums, scatter))

    def subtract(self, numbers: Tensor, labels: Tensor) -> None:
        """As if these examples, which were added, had never been."""
        self.add(numbers, labels, sign=-1)

    def placed(self, places: Mapping[int, int], classes: int) -> PackedSums:
        """A copy for `classes`, with class `k` at `places[k]`; of as many directions as it had."""
        held, order = self.held(), [places[label] for label in range(self.classes)]
        counts, sums = np.zeros(classes, np.int64), np.zeros((classes, self.directions), np.int64)
        counts[order], sums[order] = held.counts, held.sums
        found = copy.copy(self)
        found._buffers, found.budget_bits = dict(self._buffers), UNBOUNDED
        found._hold(Sums(counts, sums, held.scatter))
        return found

    def merge(self, other: PackedSums) -> None:
        """What the two would hold as one, along the directions that both have."""
        self.grow(other.classes)
        directions = min(self.directions, other.directions)
        held, more = self.held().first(directions), other.held().first(directions)
        held.counts[: other.classes] += more.counts
        held.sums[: other.classes] += more.sums
        self.halvings += other.halvings
        self._hold(Sums(held.counts, held.sums, held.scatter + more.scatter))

    def erase(self, label: int) -> None:
        """All examples of a class, as `ClassSums.erase`: exactly, but for what it added to the scatter around
        its mean, of which so much goes as it had of the examples."""
        held = self.held()
        if not (gone := int(held.counts[label])):
            return
        between = (held.sums.T / np.maximum(held.counts, 1)) @ held.sums
        own = np.multiply.outer(held.sums[label], held.sums[label]) / gone
        share = gone / held.counts.sum() * (held.scatter - between) + own
        held.counts[label], held.sums[label] = 0, 0
        self._hold(Sums(held.counts, held.sums, held.scatter - np.rint(share).astype(np.int64)))

    def halve(self) -> None:
        """What was seen so far counts half from now on."""
        self.halvings += 1
        self._hold(halved(self.held()))

    def _hold(self, found: Sums) -> None:
        """Packs what fits the budget."""
        if max(int(found.scatter.max(initial=0)), int(found.counts.max(initial=0))) > FULL:
            found = halved(found)
            self.halvings += 1
        excess = excess_of(found)
        widths = excess.widths
        while excess.total.size and bits_of(excess, widths) > self.budget_bits:
            excess = excess.first(fewer(excess, widths, self.budget_bits))
            widths = excess.widths
        packed = [(pack(s, w[0]), pack(p, w[1])) for (s, p), w in zip(excess.groups, widths, strict=True)]
        named = {
            "counts": found.counts.astype(np.int32),
            "size": np.array(len(excess.total), np.int32),
            "widths": np.array(widths, np.uint8).reshape(-1, 2),
            "packed_sums": np.concatenate([sums for sums, _ in packed]),
            "packed_products": np.concatenate([products for _, products in packed]),
        }
        for name, array in named.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array)))

    def held(self) -> Sums:
        """All of them, unpacked."""
        size, counts = self.directions, self.counts.numpy().astype(np.int64)
        sums, scatter = np.zeros((self.classes, size), np.int64), np.zeros((size, size), np.int64)
        parts, groups = self._unpacked(), groups_of(size)
        for own, place in groups:
            of_class, products = next(parts)
            sums[:, own] = of_class.reshape(self.classes, own.stop - own.start)
            scatter[place] = products
        total, squares = next(parts)
        scatter += scatter.T
        np.fill_diagonal(scatter, squares)
        expected = expected_of(counts, total)
        return Sums(counts, sums + expected[0], scatter + expected[1])

    def _unpacked(self) -> Iterator[tuple[Ints, Ints]]:
        """As `Excess.groups` has them."""
        size, starts = self.directions, [0, 0]
        counts = [(self.classes * (own.stop - own.start), len(place[0])) for own, place in groups_of(size)]
        packed = self.packed_sums.numpy(), self.packed_products.numpy()
        for lengths, widths in zip([*counts, (size, size)], self.widths.tolist(), strict=True):
            ends = [starts[i] + packed_bits(lengths[i], widths[i]) // 8 for i in (0, 1)]
            found = [unpack(packed[i][starts[i] : ends[i]], widths[i], count=lengths[i]) for i in (0, 1)]
            yield found[0], found[1]
            starts = ends

    def _save_to_state_dict(self, destination: dict[str, Tensor], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.halvings:
            destination[prefix + "halvings"] = torch.tensor(self.halvings)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        self.halvings = int(state_dict.pop(prefix + "halvings", torch.tensor(0)))
        for name in self._buffers:
            if prefix + name in state_dict:
                self.register_buffer(name, torch.zeros_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *rest)
