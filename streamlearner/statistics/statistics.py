"""Statistics: sums along the directions of an input, inside a budget of bits, and the answers that follow."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamlearner.statistics.class_sums import ClassSums, directions_within
from streamlearner.statistics.directions import Directions
from streamlearner.statistics.discriminant import Discriminant, discriminant
from streamlearner.statistics.own_alone import OwnAlone
from streamlearner.statistics.surprise import Surprise

CLASSES = 16
"""Classes that the first number of directions leaves room for; with each further one some may be given up."""
TEMPERATURE = 2.0
"""Log-probabilities are divided by it: inputs are no Gaussians, and answers were too sure (4,000 digits of
MNIST in class order, test: a mean negative log-likelihood of 0.58 instead of 0.91)."""
LOWEST = 80.0
"""No log-probability lies further below the best: those that would come near it ever more slowly."""


class Statistics(nn.Module):
    """Sums along the directions of an input, inside a budget of bits, and the answers that follow. Where
    meanings changed, what was seen before counts half: again and again, until the answers are right. Of
    vectors, the columns answer without random features where these only add noise (`OwnAlone`)."""

    own_alone: OwnAlone | None

    def __init__(self, *, directions: Directions, budget_bits: int, most: int) -> None:
        super().__init__()
        self.directions: Any = directions  # or columns (`leading`), which hold nothing
        self.budget_bits = budget_bits
        self.surprise = Surprise()
        self.own_alone = OwnAlone() if len(directions.input_shape) == 1 else None
        self.sums: Any = ClassSums(self._fitting(CLASSES, most, wide=False))  # or packed ones
        self._found: Discriminant | None = None

    @property
    def stored_bits(self) -> int:
        parts = (self.directions, self.surprise, self.own_alone, self.sums)
        return sum(part.stored_bits for part in parts if part is not None)

    def grow(self, classes: int) -> None:
        """Makes room for classes, giving up directions where the budget asks for it."""
        fitting = self._fitting(classes, self.sums.directions, wide=self.sums.wide)
        if classes > self.sums.classes or fitting < self.sums.directions:
            self._found = None  # else what was worked out to be served is right for the next batch, too
        self.sums.keep(fitting)
        self.sums.grow(classes)
        self.surprise.grow(classes)

    def scores(self, numbers: Tensor) -> Tensor:
        """Log-probabilities [n, classes] float32, but for a constant, of inputs along the directions
        (`numbers`). None lies so low that its probability would be 0, which no sums can say; those of
        classes without an example are the lowest."""
        scores = self.solve().scores(numbers).float().numpy()  # a row or few: numpy takes a third of the time
        below = scores - np.maximum(scores.max(1, keepdims=True, initial=-np.inf), -1e30)
        np.maximum(below, -1e30, out=below)
        limited = np.expm1(np.divide(below, TEMPERATURE * LOWEST, out=below), out=below)
        limited *= LOWEST
        limited[scores == -np.inf] = -2 * LOWEST
        return torch.from_numpy(limited)

    def comparable(self, numbers: Tensor) -> Tensor:
        """Of the same order as `scores` and finite, where only the best class is asked for: less work."""
        return self.solve().scores(numbers).float().clamp_min(-1e30)

    def learn(self, numbers: Tensor, labels: Tensor, predicted: Tensor | None) -> bool:
        """Adds inputs along the directions with their labels [n], for which `predicted` [n] was answered
        before (None: nobody asked). Whether meanings changed."""
        if self.own_alone is not None and predicted is not None:
            self._compare(self.own_alone, numbers, labels)
        changed = predicted is not None and self.surprise.watch(predicted == labels, labels, self.sums.counts)
        if changed:
            self.sums.halve()
        coming = self.sums.with_examples(numbers, labels)
        if self.sums.widens(coming):
            self.sums.keep(self._fitting(self.sums.classes, self.sums.directions, wide=True))
        self.sums.add(numbers[:, : self.sums.directions], labels, coming)
        self._found = None
        return changed

    def _compare(self, own_alone: OwnAlone, numbers: Tensor, labels: Tensor) -> None:
        """Only where somebody asked: then one of the two is worked out already."""
        counts = self.sums.counts.numpy()
        if np.count_nonzero(counts) < 2 or not own_alone.asks(int(counts.sum()), len(labels)):
            return
        preferred, solved = own_alone.preferred, self.solve()
        other = self._of_all() if preferred else self._of_own()
        found = [discriminant.scores(numbers).argmax(1) == labels for discriminant in (solved, other)]
        own_alone.compare(*(reversed(found) if preferred else found))

    def learn_anew(self, first: Tensor, examples: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Become those of these raw inputs, with their labels [n], and of nothing before. The `first` of them
        decide how inputs are scaled; directions that were given up stay so."""
        classes = self.sums.classes
        self.surprise, self.sums, self._found = Surprise(), self._without_examples(), None
        self.own_alone = None if self.own_alone is None else OwnAlone()
        self.grow(classes)
        self.directions.forget()
        self.directions.calibrate(first)
        for inputs, labels in examples:
            self.learn(self.numbers(inputs), labels, None)

    def _without_examples(self) -> Any:
        return ClassSums(self.sums.directions)

    def subtract(self, numbers: Tensor, labels: Tensor) -> None:
        """As if these inputs along the directions, which were added, had never been."""
        self.sums.subtract(numbers, labels)
        self._found = None

    def erase(self, label: int) -> None:
        """As if no example of this class had been seen."""
        if label < self.sums.classes:
            self.sums.erase(label)
            self.surprise.erase(label)
            self._found = None

    def merge(self, other: Statistics, classes: Mapping[int, int]) -> None:
        """As if these had seen what `other` saw, whose class `k` is `classes[k]` here. Sums add exactly, in
        the directions that both have and that there is room for. Raises ValueError where the other sees an
        input by another rule."""
        if not int(other.sums.counts.sum()):
            return
        if not self.agrees(other):
            raise ValueError("cannot merge statistics: other seeds, or other first inputs, scaled them")
        if not int(self.sums.counts.sum()):
            self.directions.load_state_dict(other.directions.state_dict())
        self.directions.unite(other.directions)
        if self.own_alone is not None and other.own_alone is not None:
            self.own_alone.merge(other.own_alone)
        self.grow(max(classes.values()) + 1)
        self._add(other, classes)
        self._found = None

    def agrees(self, other: Statistics) -> bool:
        """Whether what `other` saw can be added: it has seen nothing, or sees inputs by the rule of this one,
        which may still have none."""
        if not int(other.sums.counts.sum()):
            return True
        rule = self.directions
        if not int(self.sums.counts.sum()):
            rule = copy.deepcopy(rule)
            rule.load_state_dict(other.directions.state_dict())
        return bool(rule.agrees(other.directions))

    def _add(self, other: Statistics, classes: Mapping[int, int]) -> None:
        theirs = other.sums.placed(classes, self.sums.classes)
        directions = min(self.sums.directions, theirs.directions)
        for sums in (self.sums, theirs):
            sums.keep(directions)
        self.sums.merge(theirs)
        self.sums.keep(self._fitting(self.sums.classes, directions, wide=self.sums.wide))

    def numbers(self, inputs: Tensor) -> Tensor:
        """Raw inputs along the directions: int8 [n, directions]."""
        found: Tensor = self.directions(inputs, count=self.sums.directions)
        return found

    def limit(self, budget_bits: int) -> None:
        """Keeps as many of the directions as this budget, no larger than the one before, has room for."""
        self.budget_bits, self._found = budget_bits, None
        classes = max(CLASSES, self.sums.classes)
        self.sums.keep(self._fitting(classes, self.sums.directions, wide=self.sums.wide))

    def solve(self) -> Discriminant:
        """What follows from the sums as they are; worked out once for each state of theirs."""
        if self._found is None:
            self._found = self._of_own() if self._alone else self._of_all()
        return self._found

    @property
    def _alone(self) -> bool:
        return self.own_alone is not None and self.own_alone.preferred

    def used(self, numbers: Tensor) -> Tensor:
        """Those of inputs along the directions, [n, directions], that weigh anything, [n, used]."""
        return numbers[:, self._own] if self._alone else numbers

    @property
    def _own(self) -> NDArray[np.int64]:
        """Where the input's own numbers stand."""
        places: NDArray[np.int64] = self.directions.places(self.sums.directions)[0]
        return places

    def _of_all(self) -> Discriminant:
        return discriminant(self.sums.counts, self.sums.sums, self.sums.square())

    def _of_own(self) -> Discriminant:
        """Of the input's own numbers; random features weigh nothing."""
        own = self._own
        few = discriminant(self.sums.counts, self.sums.sums[:, own], self.sums.square(own))
        weight = few.weight.new_zeros(len(few.weight), self.sums.directions)
        weight[:, own] = few.weight
        return few._replace(weight=weight)

    def _fitting(self, classes: int, most: int, *, wide: bool) -> int:
        room = self.budget_bits - self.directions.stored_bits - self.surprise.bits_of(classes)
        room -= self.own_alone.stored_bits if self.own_alone is not None else 0
        return directions_within(room, classes=classes, most=most, wide=wide)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        self._found = None
        super()._load_from_state_dict(state_dict, prefix, *rest)
