"""Learners of a few lines, which any other has to beat: the last label, the most frequent, the nearest."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from streamlearner.bench.peers.answering import Candidate, Scoring, nothing

NEIGHBOURS = 3


class NoChange(Candidate):
    """The label that came last."""

    def __init__(self) -> None:
        self.last: int | None = None

    def answer(self, inputs: Tensor) -> Tensor:
        return nothing(inputs) if self.last is None else torch.full((len(inputs),), self.last)

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        self.last = int(labels[-1])


class Majority(Candidate):
    """The label that came most often."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def answer(self, inputs: Tensor) -> Tensor:
        if not self.counts:
            return nothing(inputs)
        return torch.full((len(inputs),), self.counts.most_common(1)[0][0])

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        self.counts.update(labels.tolist())


class Scale:
    """Standard deviation of each value of feature vectors so far; of images 1, as their values are alike."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = torch.zeros(())

    def update(self, flat: Tensor) -> None:
        """Inputs [n, d] float64 (Welford, by batch)."""
        total = self.count + len(flat)
        shift = flat.mean(0) - self.mean
        between = shift.square() * self.count * len(flat) / total
        self.squares = self.squares + (flat - flat.mean(0)).square().sum(0) + between
        self.mean = self.mean + shift * len(flat) / total
        self.count = total

    def deviation(self) -> Tensor:
        """[d]; 1 where nothing varies."""
        found = (self.squares / max(self.count, 1)).sqrt()
        return torch.where(found > 0, found, 1.0)


def flattened(inputs: Tensor) -> Tensor:
    return inputs.flatten(1).double()


class ByClass:
    """Numbers of the labels in the order in which they came."""

    def __init__(self) -> None:
        self.labels: list[int] = []

    def numbers(self, labels: Tensor) -> Tensor:
        for label in labels.tolist():
            if label not in self.labels:
                self.labels.append(label)
        place = {label: number for number, label in enumerate(self.labels)}
        return torch.tensor([place[label] for label in labels.tolist()])

    def named(self, numbers: Tensor) -> Tensor:
        return torch.tensor(self.labels)[numbers]

    def by_label(self, scores: Tensor) -> Tensor:
        """Scores [n, numbers] as [n, labels], -inf for a label that never came."""
        found = scores.new_full((len(scores), max(self.labels, default=-1) + 1), -torch.inf)
        found[:, self.labels] = scores
        return found


class NearestMean(Scoring):
    """The class whose mean is nearest; feature vectors are standardised."""

    def __init__(self) -> None:
        self.classes, self.scale = ByClass(), Scale()
        self.sums = self.counts = torch.zeros(0)

    def scores(self, inputs: Tensor) -> Tensor:
        if not len(self.sums):
            return torch.zeros(len(inputs), 0)
        scale = self.scale.deviation() if inputs.ndim == 2 else 1.0
        means = self.sums / self.counts[:, None] / scale
        return self.classes.by_label(-torch.cdist(flattened(inputs) / scale, means))

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        flat = flattened(inputs)
        if inputs.ndim == 2:
            self.scale.update(flat)
        numbers = self.classes.numbers(labels)
        self.sums, self.counts = grown(self.sums, self.counts, len(self.classes.labels), flat.shape[1])
        self.sums.index_add_(0, numbers, flat)
        self.counts.index_add_(0, numbers, torch.ones(len(flat), dtype=torch.float64))

    @property
    def parameter_bits(self) -> int:  # type: ignore[override]
        return 32 * (self.sums.numel() + self.counts.numel())


def grown(sums: Tensor, counts: Tensor, classes: int, values: int) -> tuple[Tensor, Tensor]:
    """Sums [classes, values] and counts [classes], zeros where a class is new."""
    added = classes - len(counts)
    if not added:
        return sums, counts
    more = torch.zeros(added, values, dtype=torch.float64)
    return torch.cat([sums.reshape(-1, values).double(), more]), torch.cat([counts.double(), more[:, 0]])


def item_bits(inputs: Tensor) -> int:
    """Bits of one raw item: a byte for a pixel, 32 bits for another value, 16 for the label."""
    return 8 * inputs[0].numel() * inputs.element_size() + 16


class Neighbours(Scoring):
    """The nearest of the raw items that the budget holds, as many of each class: three vote, each by one over
    its distance. Feature vectors are standardised."""

    def __init__(self, *, budget_bits: int, seed: int) -> None:
        self.budget_bits, self.scale = budget_bits, Scale()
        self.generator = torch.Generator().manual_seed(seed)
        self.items = torch.zeros(0)
        self.labels: list[int] = []
        self.seen: Counter[int] = Counter()

    def scores(self, inputs: Tensor) -> Tensor:
        if not self.labels:
            return torch.zeros(len(inputs), 0)
        scale = self.scale.deviation() if inputs.ndim == 2 else 1.0
        held = flattened(self.items[: len(self.labels)]) / scale
        found = torch.cdist(flattened(inputs) / scale, held).topk(min(NEIGHBOURS, len(held)), largest=False)
        labels = torch.tensor(self.labels)
        votes = torch.zeros(len(inputs), int(labels.max()) + 1, dtype=torch.float64)
        votes.scatter_add_(1, labels[found.indices], 1 / (found.values + 1e-9))
        return votes

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        if not len(self.items):
            self.items = inputs.new_zeros(self.budget_bits // item_bits(inputs), *inputs.shape[1:])
        if inputs.ndim == 2:
            self.scale.update(flattened(inputs))
        for item, label in zip(inputs, labels.tolist(), strict=True):
            self._keep(item, label)

    def _keep(self, item: Tensor, label: int) -> None:
        """While there is room all; then in place of one of the largest class, or, of that class itself, with
        the probability that keeps its sample uniform."""
        self.seen[label] += 1
        if len(self.labels) < len(self.items):
            self.items[len(self.labels)] = item
            self.labels.append(label)
            return
        held = Counter(self.labels)
        largest = max(held, key=lambda each: (held[each], each))
        if held[label] == held[largest]:
            largest = label
            if float(torch.rand((), generator=self.generator)) >= held[label] / self.seen[label]:
                return
        places = [place for place, each in enumerate(self.labels) if each == largest]
        place = places[int(torch.randint(len(places), (), generator=self.generator))]
        self.items[place], self.labels[place] = item, label

    @property
    def stored_bits(self) -> int:  # type: ignore[override]
        return len(self.labels) * item_bits(self.items) if self.labels else 0
