"""What is measured of classes that come some at a time: among all of them, and among those they came with."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from streamlearner.bench.kit.fixture import Dataset
from streamlearner.evaluation.retention import RetentionMatrix

Scores = Callable[[Tensor], Tensor]
"""Of inputs, by label: [n, labels]. -inf, or no column, for a label that never came."""
AT_ONCE = 500


class ClassIncremental:
    """Tests on a stream whose labels come `at_once` at a time, after each such period and at the end.

    `accuracy`: among all classes. `task_incremental_accuracy`: among those that came with the right one, as
    if the period were named. Learning is the same. Of what is retained of earlier periods, asked so:
    `class_incremental_forgetting` and `task_incremental_forgetting`, the mean over all periods but the last
    of the best accuracy after any period before the end, less that at the end (Chaudhry et al., "Riemannian
    Walk for Incremental Learning", 2018). Among all classes that counts new classes that are mistaken for old
    ones, too, as there are more to choose from at the end. Of the first period alone, its name given:
    `first_task_forgetting`, the same; `first_task_after` and `first_task_at_end`, and their difference
    `first_task_forgotten`, its backward transfer with the sign turned (Lopez-Paz and Ranzato, 2017), which
    is at most as much.
    """

    def __init__(self, stream: Dataset, test: Dataset, *, at_once: int) -> None:
        order = list(dict.fromkeys(stream.labels))
        self.inputs, self.labels = torch.from_numpy(test.images), torch.tensor(test.labels)
        period = {label: place // at_once for place, label in enumerate(order)}
        self.period = torch.tensor([period.get(label, -1) for label in range(max(order) + 1)])
        self.of_test = self.period[self.labels]
        self.ends = ends_of([period[label] for label in stream.labels])
        self.seen, self.named = RetentionMatrix(), RetentionMatrix()
        self.seconds = 0.0  # spent on tests along the stream

    @property
    def first_ends(self) -> int:
        """Examples until the first period is over."""
        return self.ends[0]

    def along(self, learned: int, scores: Callable[[], Scores]) -> None:
        """To be called between batches, with how many examples were learned."""
        started, now = time.perf_counter(), bisect_right(self.ends, learned)
        if now > len(self.named.rows):
            self._add(scores(), now)
        self.seconds += time.perf_counter() - started

    def measured(self, scores: Scores) -> dict[str, float]:
        right, right_among_own = self._right(scores, self.inputs, self.labels)
        values = {"accuracy": share(right), "task_incremental_accuracy": share(right_among_own)}
        for matrix in (self.seen, self.named):
            del matrix.rows[len(self.ends) - 1 :]
        if not self.named.rows:  # nothing came before the end
            return values
        self._add(scores, len(self.ends))
        of_first = [row[0] or 0.0 for row in self.named.rows]
        found = {
            "class_incremental_forgetting": self.seen.forgetting or 0.0,
            "task_incremental_forgetting": self.named.forgetting or 0.0,
            "first_task_forgetting": max(of_first[:-1]) - of_first[-1],
            "first_task_after": of_first[0],
            "first_task_at_end": of_first[-1],
            "first_task_forgotten": of_first[0] - of_first[-1],
        }
        return values | {name: round(value, 4) for name, value in found.items()}

    def _add(self, scores: Scores, periods: int) -> None:
        """What is right after so many periods, of those so far."""
        came = (self.of_test >= 0) & (self.of_test < periods)
        right = self._right(scores, self.inputs[came], self.labels[came])
        for matrix, each in zip((self.seen, self.named), right, strict=True):
            tested = self.of_test[came]
            by_period = {now: share(each[tested == now]) for now in set(tested.tolist())}
            for _ in range(periods - len(matrix.rows)):  # several, where batches are larger than they are
                matrix.add(by_period)

    def _right(self, scores: Scores, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Which are right among all classes so far, and among those that came with them."""
        found, own = self._all(scores, inputs), self._own(labels)
        among_own = found.masked_fill(own[:, : found.shape[1]].logical_not(), -torch.inf)
        return found.argmax(1) == labels, among_own.argmax(1) == labels

    def _own(self, labels: Tensor) -> Tensor:
        """[n, labels]: which came with each."""
        return self.period[labels][:, None] == self.period[None]

    def _all(self, scores: Scores, inputs: Tensor) -> Tensor:
        return torch.cat([scores(part) for part in torch.split(inputs, AT_ONCE)])


def ends_of(periods: Sequence[int]) -> list[int]:
    """How many examples are learned when each period is over, given that of each example in turn."""
    last = {period: place + 1 for place, period in enumerate(periods)}
    return [last[period] for period in sorted(last)]


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
