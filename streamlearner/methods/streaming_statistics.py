"""Learns without a gradient: exact sums of each class, and the linear discriminant analysis that they allow.

After Deep SLDA (Hayes and Kanan, "Lifelong Machine Learning with Deep Streaming Linear Discriminant
Analysis", 2020) on random features (RanDumb, Prabhu et al., 2024) and on the input itself.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.merging.contract import Mergeable
from streamlearner.merging.shards import Indices, Recoded
from streamlearner.methods.base import DualMemory, Experience, Observation
from streamlearner.methods.components import Components
from streamlearner.methods.erased_statistics import erased
from streamlearner.methods.experience import Removed, Selection
from streamlearner.methods.graphs import StatisticsAnswers
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.statistics.directions import Directions
from streamlearner.statistics.graph import StatisticsGraph
from streamlearner.statistics.leading import LeadingStatistics
from streamlearner.statistics.statistics import Statistics

MOST_DIRECTIONS = 256
"""Where the setting leaves it open: twice as many take four times the bits and eight times the time, for 2 to
4 points on images (10,000 digits of MNIST: 160 84.0 %, 256 86.8 %)."""


class StreamingStatistics(DualMemory, Mergeable):
    """Answers from the first example on, has no step size, and forgets nothing: the order of the stream does
    not matter, but for directions that were given up.

    `memory.budget_bits` bounds the sums. The neocortex is the copy that the last sleep took, so that versions
    and rollback work. Differs from Deep SLDA: whole numbers of seven bits, so that adding and subtracting are
    exact; shrinkage by the number of examples.
    """

    hippocampus: Statistics
    neocortex: Statistics
    stores = (*DualMemory.stores, "hippocampus")
    lent = (*DualMemory.lent, "hippocampus")

    def __init__(self, *, statistics: Statistics) -> None:
        super().__init__()
        self.hippocampus = statistics
        self.neocortex = copy.deepcopy(statistics)
        self.seen_classes = SeenClasses()
        self._planned = statistics.sums.directions

    @classmethod
    def build(cls, settings: Any, components: Components) -> Self:
        if components.ordered:
            features = min(settings.directions or components.input_shape[0], components.input_shape[0])
            return cls(statistics=LeadingStatistics(features=features, budget_bits=components.budget_bits))
        most = settings.directions or MOST_DIRECTIONS
        directions = Directions(input_shape=components.input_shape, most=most, seed=components.seed)
        return cls(
            statistics=Statistics(directions=directions, budget_bits=components.budget_bits, most=most)
        )

    @torch.no_grad()
    def observe(self, experience: Experience) -> Observation:
        self.seen_classes.register(experience.labels, experience.tasks)
        statistics = self.hippocampus
        statistics.directions.calibrate(experience.inputs)
        statistics.grow(self.classes)
        numbers = statistics.numbers(experience.inputs)
        scores = self.seen_classes.restricted(statistics.scores(numbers), experience.tasks)
        loss = float(F.cross_entropy(scores, experience.labels))
        predicted = scores.argmax(1)
        changed = statistics.learn(numbers, experience.labels, predicted)
        return Observation(predicted=predicted, loss=loss, changed=changed)

    def merge(
        self, shards: Sequence[Self], indices: Sequence[Indices], generator: torch.Generator
    ) -> Recoded:
        """Sums add exactly: nothing else is learned."""
        self.seen_classes.merge([shard.seen_classes for shard in shards], indices)
        self.hippocampus.grow(self.classes)
        for shard, own in zip(shards, indices, strict=True):
            self.hippocampus.merge(shard.hippocampus, own.classes)
        return Recoded()

    def follow(self, published: Self, indices: Indices) -> None:
        """Nothing is taught: the sums of all are those of the published one, and never of this one."""

    def candidate(self) -> Self:
        """With the sums as they are now for its neocortex: a sleep teaches nothing else."""
        candidate = super().candidate()
        candidate.neocortex = copy.deepcopy(self.hippocampus)
        return candidate

    def consolidate(self, candidate: Self) -> Iterator[None]:
        if candidate.hippocampus is not self.hippocampus:  # a clone, as sleeps began with them once
            candidate.neocortex = copy.deepcopy(candidate.hippocampus)
        yield

    def adopt(self, candidate: Self) -> None:
        self.neocortex = copy.deepcopy(candidate.neocortex)
        self.neocortex.sums.grow(self.classes)

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        for statistics in (self.neocortex, self.hippocampus):
            statistics.load_state_dict(neocortex)
            statistics.grow(self.classes)

    def erase(self, selection: Selection) -> Removed:
        if selection.label is not None:
            self.neocortex.erase(selection.label)
        return erased(self.hippocampus, selection, super().erase(selection))

    @torch.no_grad()
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        scores = self.hippocampus.scores(self.hippocampus.numbers(inputs))
        return self.seen_classes.restricted(scores, tasks).softmax(1)

    def graph(self) -> nn.Module:
        return StatisticsAnswers(StatisticsGraph(self.hippocampus), self.seen_classes)

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        return self.hippocampus.numbers(inputs).float()

    @property
    def route(self) -> str:
        return "statistics"

    def stored_bits(self) -> dict[str, int]:
        return {"statistics": self.hippocampus.stored_bits}

    @property
    def fullness(self) -> int:
        return int(self.hippocampus.sums.directions < self._planned)

    def frozen(self) -> Self:
        self.hippocampus.solve()  # once, not at each prediction
        return super().frozen()
