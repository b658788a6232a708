"""What is measured of classes that come some at a time: among all of them, and among those they came with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset

Scores = Callable[[Tensor], Tensor]
"""Of inputs, by label: [n, labels]. -inf, or no column, for a label that never came."""
AT_ONCE = 500


class ClassIncremental:
    """Tests on a stream whose labels come `at_once` at a time.

    `accuracy`: among all classes. `task_incremental_accuracy`: among those that came with the right one, as
    if the period were named. `first_task_after` and `first_task_at_end`: the latter of the classes that came
    first, right after them and at the end; `first_task_forgotten`: the difference. Learning is the same.
    """

    def __init__(self, stream: Dataset, test: Dataset, *, at_once: int) -> None:
        order = list(dict.fromkeys(stream.labels))
        self.inputs, self.labels = torch.from_numpy(test.images), torch.tensor(test.labels)
        period = {label: place // at_once for place, label in enumerate(order)}
        self.period = torch.tensor([period.get(label, -1) for label in range(max(order) + 1)])
        self.first_ends = last_place(stream.labels, [each for each in order if not period[each]]) + 1
        self.first_task_after: float | None = None
        self.seconds = 0.0  # spent on tests along the stream

    def along(self, learned: int, scores: Callable[[], Scores]) -> None:
        """To be called between batches, with how many examples were learned."""
        if self.first_task_after is None and learned >= self.first_ends:
            started = time.perf_counter()
            self.first_task_after = self._first_task(scores())
            self.seconds += time.perf_counter() - started

    def measured(self, scores: Scores) -> dict[str, float]:
        found, own = self._all(scores, self.inputs), self._own(self.labels)
        among_own = found.masked_fill(own[:, : found.shape[1]].logical_not(), -torch.inf)
        right = {"accuracy": found, "task_incremental_accuracy": among_own}
        values = {name: share(each.argmax(1) == self.labels) for name, each in right.items()}
        if self.first_task_after is None:
            return values
        end = self._first_task(scores)
        return values | {
            "first_task_after": self.first_task_after,
            "first_task_at_end": end,
            "first_task_forgotten": round(self.first_task_after - end, 4),
        }

    def _first_task(self, scores: Scores) -> float:
        chosen = self.period[self.labels] == 0
        labels = self.labels[chosen]
        found = self._all(scores, self.inputs[chosen])
        among = found.masked_fill(self._own(labels)[:, : found.shape[1]].logical_not(), -torch.inf)
        return share(among.argmax(1) == labels)

    def _own(self, labels: Tensor) -> Tensor:
        """[n, labels]: which came with each."""
        return self.period[labels][:, None] == self.period[None]

    def _all(self, scores: Scores, inputs: Tensor) -> Tensor:
        return torch.cat([scores(part) for part in torch.split(inputs, AT_ONCE)])


def last_place(labels: Sequence[int], among: Sequence[int]) -> int:
    """Where the last of these labels stands."""
    return int(np.flatnonzero(np.isin(np.array(labels), np.array(among)))[-1])


def share(right: Tensor) -> float:
    return round(float(right.double().mean()), 4)


def scores_of(predictor: object) -> Scores:
    """Those of a daemon's predictor, which knows its classes in the order in which they came."""
    labels = predictor.labels.state()  # type: ignore[attr-defined]

    def scores(inputs: Tensor) -> Tensor:
        found: Tensor = predictor.predict_proba(inputs)  # type: ignore[attr-defined]
        by_label = found.new_full((len(inputs), max(labels) + 1), -torch.inf)
        by_label[:, labels] = found
        return by_label

    return scores
