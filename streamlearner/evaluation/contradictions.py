"""Which examples of the exam newer ones contradict: what their labels meant is no longer meant."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamlearner.evaluation.adaptive_window import AdaptiveWindow, Change

VOTES_EVERY, CHEAP = 2, 2**17
"""Batches between two that vote while nothing is in dispute, once more for each `CHEAP` values of the exam: a
vote is to cost a small part of a learning step."""
CHECK_EVERY = 4
"""Votes of a class between two checks whether they changed."""
CERTAINTY = 2.0
"""Standard errors by which newer examples of a class in dispute agree less with the exam than its own do."""
VOTES = 3
"""Examples of the exam that a newer one votes on: the nearest."""
OUTVOTED = 3
"""Votes against an example, beyond those for it, at which it leaves."""
DISPUTE = 200
"""Examples of a class for which it stays in dispute."""
SLOWNESS = 0.98
"""Of the running mean of the distances at which newer examples agree."""
CLIPPED = 10.0
"""Standard deviations beyond which a value counts no further."""

Floats = NDArray[np.float32]
Indices = NDArray[np.integer]


class Examples(NamedTuple):
    """`inputs` [n, values] raw, `labels` [n], `tasks` [n] (-1: none)."""

    inputs: NDArray[np.generic]
    labels: Indices
    tasks: Indices

    def __len__(self) -> int:
        return len(self.labels)


class Held:
    """Examples of the exam, made ready once for many votes. Values count by the spread of their column."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples
        self._scale: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        if examples.inputs.dtype != np.uint8:
            wide = examples.inputs.astype(np.float64)
            middle, spread = wide.mean(0), wide.std(0)
            spread[spread == 0] = np.inf
            self._scale = middle, spread
        self._inputs = self._scaled(examples.inputs)
        self._squares = (self._inputs**2).sum(1)

    def _scaled(self, inputs: NDArray[Any]) -> Floats:
        if self._scale is not None:
            middle, spread = self._scale
            inputs = np.clip((inputs - middle) / spread, -CLIPPED, CLIPPED)
        return inputs.astype(np.float32)

    def squared_distances(self, newer: Examples) -> Floats:
        """[newer, held], infinite between tasks."""
        others = self._scaled(newer.inputs)
        squares = (others**2).sum(1)[:, None] + self._squares - 2 * (others @ self._inputs.T)
        squares[newer.tasks[:, None] != self.examples.tasks] = np.inf
        nonnegative: Floats = np.maximum(squares, 0)
        return nonnegative

    def agree_with_each_other(self, label: int) -> NDArray[np.bool_]:
        """Of the examples of a class, which are nearest to another one of it."""
        inputs, labels, tasks = self.examples
        of = np.flatnonzero(labels == label)
        squares = self.squared_distances(Examples(inputs[of], labels[of], tasks[of]))
        squares[np.arange(len(of)), of] = np.inf
        agree: NDArray[np.bool_] = labels[squares.argmin(1)] == label
        return agree


class Contradictions:
    """Newer examples vote on the nearest ones of the exam: for those with the same label, against others.

    Votes against alone mean little, as classes overlap, and as a new class comes near old ones. So how often
    the examples of each class are nearest to one with their label is watched (ADWIN). Where that falls beyond
    chance, and below what the exam's own examples of the class show among each other, the class is in
    dispute, as it means something else now, and only its examples vote against others: what has `OUTVOTED`
    more votes against it than for it since then is contradicted. Only examples as near as those that agree
    vote against, so that a class that looks new contradicts nothing. The learner is never asked.
    """

    def __init__(self) -> None:
        self.agreeing: dict[int, AdaptiveWindow] = {}  # by class of the newer example, 1 for the same label
        self.in_dispute: dict[int, int] = {}  # by class, its examples until the dispute ends
        self.against: dict[int, int] = {}  # by place, since a dispute began; above 0 only
        self.reach = 0.0  # mean squared distance of votes for, 0 before the first
        self.batches = 0
        self.found = 0

    def passes(self, held: int, *, values: int) -> bool:
        """Whether a batch does not vote on the so many examples held, of so many values in all."""
        self.batches += 1
        every = VOTES_EVERY * (1 + values // CHEAP)
        return held <= VOTES or bool(self.batches % every and not self.in_dispute)

    def judge(self, newer: Examples, held: Held) -> list[int]:
        """Places of those of `held` that the newer ones, of a batch that votes, contradict, ascending."""
        squares, labels = held.squared_distances(newer), held.examples.labels
        places = np.argpartition(squares, VOTES, axis=1)[:, :VOTES]
        near = np.take_along_axis(squares, places, 1)
        rows, nearest = np.arange(len(near)), near.argmin(1)
        found = labels[places[rows, nearest]].tolist(), near[rows, nearest].tolist()
        outvoted: set[int] = set()
        for row, (label, other, distance) in enumerate(zip(newer.labels.tolist(), *found, strict=True)):
            if math.isfinite(distance):
                self._watch(label, other == label, distance, held)
                if self.in_dispute:
                    outvoted |= self._vote(label, places[row, near[row] <= self.reach].tolist(), labels)
        self.found += len(outvoted)
        return sorted(outvoted)

    def _watch(self, label: int, agrees: bool, distance: float, held: Held) -> None:
        """What the nearest one shows of the class."""
        if agrees:
            self.reach = SLOWNESS * self.reach + (1 - SLOWNESS) * distance if self.reach else distance
        window = self.agreeing.setdefault(label, AdaptiveWindow(check_every=CHECK_EVERY))
        if self._fell(window, window.add(agrees), held, label):
            self.in_dispute[label] = DISPUTE
        elif label in self.in_dispute:
            self.in_dispute[label] -= 1
            if not self.in_dispute[label]:
                del self.in_dispute[label]
        if not self.in_dispute:
            self.against.clear()

    @staticmethod
    def _fell(window: AdaptiveWindow, change: Change | None, held: Held, label: int) -> bool:
        """Whether a change is a fall, and to less than the exam's own examples of the class show."""
        if change is None or change.after >= change.before or label not in held.examples.labels:
            return False
        own = held.agree_with_each_other(label)
        # one right and one wrong more: of few examples a share of 0 or 1 is not certain
        share = (own.sum() + 1) / (len(own) + 2)
        error = math.sqrt(share * (1 - share) * (1 / (len(own) + 2) + 1 / change.width))
        return bool(change.after < share - CERTAINTY * error)

    def _vote(self, label: int, places: list[int], labels: Indices) -> set[int]:
        """Those that are outvoted now."""
        for place in places:
            if (agrees := label == labels[place]) or label in self.in_dispute:
                votes = self.against.pop(place, 0) + (-1 if agrees else 1)
                if votes > 0:
                    self.against[place] = votes
        return {place for place in places if self.against.get(place, 0) >= OUTVOTED}

    def is_replaced(self, place: int) -> None:
        """Another example stands there now."""
        self.against.pop(place, None)

    def is_moved(self, place: int, to: int) -> None:
        """The example at `place` stands at `to` now, whose own has left."""
        self.against.pop(to, None)
        if votes := self.against.pop(place, 0):
            self.against[to] = votes

    def state(self) -> dict[str, Any] | None:
        """JSON; None before the first batch."""
        if not self.batches:
            return None
        agreeing = [[of, window.state()] for of, window in self.agreeing.items()]
        return {
            "agreeing": agreeing,
            "in_dispute": [list(item) for item in self.in_dispute.items()],
            "against": [list(item) for item in self.against.items()],
            "reach": self.reach,
            "batches": self.batches,
            "found": self.found,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.agreeing = {of: AdaptiveWindow(check_every=CHECK_EVERY) for of, _ in state["agreeing"]}
        for of, held in state["agreeing"]:
            self.agreeing[of].restore(held)
        self.in_dispute, self.against = dict(state["in_dispute"]), dict(state["against"])
        self.reach, self.batches, self.found = state["reach"], state["batches"], state["found"]
