"""Retention and forgetting: accuracies on the exam, and the matrix R of them, with the field's formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True)
class ExamAccuracy:
    """Accuracies on the exam, from 0 to 1. `overall` is the mean over classes, so that a frequent class
    cannot hide a forgotten one; None where the exam is empty. Classes and tasks by index, periods by
    number. `as_of`: examples learned when it was measured. `hits` are the answers one by one, where they are
    known: right or not.

    `class_means` is the share of examples that the mean of each class would answer rightly, `code_error` the
    squared error of codes over that of class means; None where they were not measured."""

    overall: float | None
    by_class: dict[int, float]
    by_task: dict[int, float]
    by_period: dict[int, float]
    as_of: int = 0
    class_means: float | None = None
    code_error: float | None = None
    hits: tuple[bool, ...] = field(default=(), compare=False, repr=False)


def exam_accuracy(hits: Tensor, *, labels: Tensor, tasks: Tensor, periods: Tensor) -> ExamAccuracy:
    """Of `hits` [n] bool, the right answers; `labels`, `tasks` (-1: none) and `periods` are [n] int64."""
    by_class = _accuracy_by_group(hits, labels)
    return ExamAccuracy(
        overall=sum(by_class.values()) / len(by_class) if by_class else None,
        by_class=by_class,
        by_task={task: accuracy for task, accuracy in _accuracy_by_group(hits, tasks).items() if task >= 0},
        by_period=_accuracy_by_group(hits, periods),
        hits=tuple(hits.tolist()),
    )


def _accuracy_by_group(hits: Tensor, groups: Tensor) -> dict[int, float]:
    return {int(group): float(hits[groups == group].float().mean()) for group in sorted(set(groups.tolist()))}


AGES = (1_000, 10_000, 100_000)
"""Examples since a class was last seen, below which it is of that age."""
OLDER = "older"


def by_age(by_class: Mapping[int, float], ages: Mapping[int, int]) -> dict[str, float]:
    """Mean accuracy of the classes of each age ("1000": last seen less than 1,000 examples ago; OLDER).
    `ages` [class]: examples since it was last seen; a class of which that is not known is left out."""
    found: dict[str, list[float]] = {}
    for index, accuracy in by_class.items():
        if index in ages:
            age = next((str(limit) for limit in AGES if ages[index] < limit), OLDER)
            found.setdefault(age, []).append(accuracy)
    order = (*map(str, AGES), OLDER)
    return {age: sum(found[age]) / len(found[age]) for age in order if age in found}


class RetentionMatrix:
    """R[i][j]: accuracy after sleep i on exam examples of period j; None where the exam holds none of it.

    Keeps the last `most_sleeps` rows and as many periods, so that it stays bounded over months; `first` is
    the number of the oldest period that it still holds.
    """

    def __init__(self, *, most_sleeps: int = 100) -> None:
        self.most_sleeps = most_sleeps
        self.first = 0
        self.rows: list[list[float | None]] = []

    def add(self, by_period: dict[int, float]) -> None:
        """Appends the accuracies by period after one more sleep."""
        last = self.first + len(self.rows)
        self.rows.append([by_period.get(j) for j in range(self.first, last + 1)])
        if len(self.rows) > self.most_sleeps:
            self.first += 1
            self.rows = [row[1:] for row in self.rows[1:]]

    @property
    def forgetting(self) -> float | None:
        """Mean over earlier periods of the best accuracy so far minus the last (Chaudhry et al., 2018)."""
        falls = [
            max(best) - now
            for j, now in enumerate(self.rows[-1][:-1] if self.rows else [])
            if now is not None and (best := _known(row[j] for row in self.rows[j:-1]))
        ]
        return sum(falls) / len(falls) if falls else None

    @property
    def backward_transfer(self) -> float | None:
        """Mean over earlier periods of R[last][j] - R[j][j] (Lopez-Paz & Ranzato, 2017); negative:
        forgotten."""
        gains = [
            now - first
            for j, now in enumerate(self.rows[-1][:-1] if self.rows else [])
            if now is not None and (first := self.rows[j][j]) is not None
        ]
        return sum(gains) / len(gains) if gains else None

    def state(self) -> dict[str, Any]:
        return {"first": self.first, "rows": self.rows}

    def restore(self, state: dict[str, Any]) -> None:
        self.first, self.rows = int(state["first"]), [list(row) for row in state["rows"]]


def _known(values: Sequence[float | None] | Any) -> list[float]:
    return [value for value in values if value is not None]
