"""Evaluation on the exam, piece by piece between batches, so that none waits for all of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.retention import ExamAccuracy, exam_accuracy

PIECE_VALUES, LEAST, USUAL = 2**15, 8, 10
"""Values of the exam's inputs that are evaluated beside a batch of `USUAL` examples, and examples at least:
with digits of MNIST a LeNet takes 8 ms for them (for an exam of 256 KiB 76 ms)."""
STEPS_OF_A_PIECE = 8
"""Optimiser steps of a sleep that take about as long as a piece."""

ACCURACY, CLASS_MEANS, READOUT = 0, 1, 2

Answers = Callable[[Tensor, Tensor | None], Mapping[str, Tensor]]


@dataclass
class EvaluatedSoFar:
    """Labels of examples of the exam and, by who answered, whether that was right. Part of the state: a
    restart goes on with the same piece. `place` is that of the next one in the exam, which may change
    meanwhile."""

    place: int = 0
    labels: list[int] = field(default_factory=list)
    hits: dict[str, list[bool]] = field(default_factory=dict)

    @classmethod
    def restored(cls, state: Mapping[str, Any] | None) -> Self | None:
        return None if state is None else cls(**state)

    def state(self) -> dict[str, Any]:
        """JSON."""
        return asdict(self)


@dataclass
class PartialEvaluation(EvaluatedSoFar):
    """Also by task and period."""

    tasks: list[int] = field(default_factory=list)
    periods: list[int] = field(default_factory=list)

    def evaluate(self, exam: Exam, answers: Answers, *, names_tasks: bool, shared_by: int = 1) -> bool:
        """The next piece, which so many methods that answer share. Whether it was the last one."""
        count = max(1, piece(exam) // shared_by)
        part = slice(self.place, min(len(exam), self.place + count))
        if part.start < part.stop:
            found = exam.hits_by(answers, names_tasks=names_tasks, part=part)
            self.add(exam, torch.arange(part.start, part.stop), found)
        self.place = max(part.stop, self.place)
        return self.place >= len(exam)

    def add(self, exam: Exam, places: Tensor, found: Mapping[str, Tensor]) -> None:
        """Of the examples at `places` [n] which were answered right, [n] bool by who answered."""
        self.labels += exam.labels[places].tolist()
        self.tasks += exam.tasks[places].tolist()
        self.periods += exam.periods[places].tolist()
        for name, hits in found.items():
            self.hits.setdefault(name, []).extend(hits.tolist())

    def accuracy(self, name: str) -> ExamAccuracy:
        """Of this answerer, on all that was evaluated."""
        return exam_accuracy(
            torch.tensor(self.hits.get(name, []), dtype=torch.bool),
            labels=torch.tensor(self.labels, dtype=torch.int64),
            tasks=torch.tensor(self.tasks, dtype=torch.int64),
            periods=torch.tensor(self.periods, dtype=torch.int64),
        )


@dataclass
class Measuring:
    """What is measured after a consolidation: `stage` ACCURACY, CLASS_MEANS, then READOUT. `adds_row`: to the
    retention matrix, as sleeps do. Part of the state."""

    adds_row: bool
    stage: int = ACCURACY
    evaluation: PartialEvaluation = field(default_factory=PartialEvaluation)

    @classmethod
    def restored(cls, state: Mapping[str, Any] | None) -> Measuring | None:
        return (
            None
            if state is None
            else cls(**{**state, "evaluation": PartialEvaluation(**state["evaluation"])})
        )

    def state(self) -> dict[str, Any]:
        """JSON."""
        return asdict(self)


def piece(exam: Exam) -> int:
    """Examples of a piece: a power of two, as `withheld.batches` are."""
    most = max(LEAST, PIECE_VALUES // math.prod(exam.input_shape))
    return 1 << (most.bit_length() - 1)


def pieces_of(steps: int) -> int:
    """Pieces that are evaluated in the place of so many steps."""
    return -(-steps // STEPS_OF_A_PIECE)
