"""Statistics: sums along the directions of an input, inside a budget of bits, and the answers that follow."""

from __future__ import annotations

from torch import Tensor, nn

from streamlearner.statistics.class_sums import ClassSums, directions_within
from streamlearner.statistics.directions import Directions
from streamlearner.statistics.discriminant import Discriminant, discriminant
from streamlearner.statistics.surprise import Surprise

CLASSES = 16
"""Classes that the first number of directions leaves room for; with each further one some may be given up."""


class Statistics(nn.Module):
    """Sums along the directions of an input, inside a budget of bits, and the answers that follow. Where
    meanings changed, what was seen before counts half: again and again, until the answers are right."""

    def __init__(self, *, directions: Directions, budget_bits: int, most: int) -> None:
        super().__init__()
        self.directions = directions
        self.budget_bits = budget_bits
        self.surprise = Surprise()
        self.sums = ClassSums(self._fitting(CLASSES, most))
        self._found: Discriminant | None = None

    @property
    def stored_bits(self) -> int:
        return sum(part.stored_bits for part in (self.directions, self.surprise, self.sums))

    def grow(self, classes: int) -> None:
        """Makes room for classes, giving up directions where the budget asks for it."""
        self._found = None
        self.sums.keep(self._fitting(classes, self.sums.directions))
        self.sums.grow(classes)
        self.surprise.grow(classes)

    def scores(self, inputs: Tensor) -> Tensor:
        """Log-probabilities [n, classes] float32, but for a constant, of raw inputs."""
        return self.solve().scores(self.numbers(inputs)).float()

    def learn(self, inputs: Tensor, labels: Tensor, predicted: Tensor) -> bool:
        """Adds raw inputs [n, *shape] with their labels [n], for which `predicted` [n] was answered before.
        Whether meanings changed."""
        changed = self.surprise.watch(predicted == labels, labels, self.sums.counts)
        if changed:
            self.sums.halve()
        self.sums.add(self.numbers(inputs), labels)
        self._found = None
        return changed

    def numbers(self, inputs: Tensor) -> Tensor:
        """Raw inputs along the directions: int8 [n, directions]."""
        found: Tensor = self.directions(inputs, count=self.sums.directions)
        return found

    def solve(self) -> Discriminant:
        """What follows from the sums as they are; worked out once for each state of theirs."""
        if self._found is None:
            self._found = discriminant(self.sums.counts, self.sums.sums, self.sums.square())
        return self._found

    def _fitting(self, classes: int, most: int) -> int:
        room = self.budget_bits - self.directions.stored_bits - self.surprise.bits_of(classes)
        return directions_within(room, classes=classes, most=most)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        self._found = None
        super()._load_from_state_dict(state_dict, prefix, *rest)
