"""Which memory answers, under which labels and version; `freeze()` makes the copy that is served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from streamlearner.labels import LabelSpace
from streamlearner.stream import Label


class AnsweringMemory(Protocol):
    """What a predictor needs of a method (`methods.base.DualMemory` has it)."""

    @property
    def classes(self) -> int: ...

    @property
    def route(self) -> str: ...

    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor: ...

    def frozen(self) -> Self: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction: the most probable label, its probability, the memory that answered."""

    label: Label
    probability: float
    route: str
    probabilities: dict[Label, float] | None = None


class Predictor:
    """Answers from a method. A frozen one shares nothing with learning and may be used from any thread.

    `version` names the exact weights: `adopted version . examples learned when they were frozen`.
    """

    def __init__(
        self,
        *,
        method: AnsweringMemory,
        labels: LabelSpace,
        tasks: LabelSpace,
        version: str,
        input_shape: Sequence[int],
    ) -> None:
        self.method = method
        self.labels = labels
        self.tasks = tasks
        self.version = version
        self.input_shape = tuple(input_shape)

    @property
    def ready(self) -> bool:
        """True once at least one class is known."""
        return self.method.classes > 0

    def predict_proba(self, inputs: Tensor, *, task: str | None = None) -> Tensor:
        """Probabilities [n, classes]. `inputs` [n, *input_shape], raw. An unknown task counts as none."""
        index = self.tasks.find(task) if task is not None else None
        tasks = None if index is None else torch.full((len(inputs),), index, dtype=torch.int64)
        return self.method.predict_proba(inputs, tasks)

    def predict(
        self, inputs: Tensor, *, task: str | None = None, probabilities: bool = False
    ) -> list[Answer]:
        """One Answer for each of `inputs` [n, *input_shape]."""
        proba = self.predict_proba(inputs, task=task)
        best = proba.max(dim=1)
        names = [self.labels.label(i) for i in range(proba.shape[1])]
        rows = (
            [dict(zip(names, row, strict=True)) for row in proba.tolist()]
            if probabilities
            else [None] * len(proba)
        )
        return [
            Answer(label=names[index], probability=value, route=self.method.route, probabilities=row)
            for index, value, row in zip(best.indices.tolist(), best.values.tolist(), rows, strict=True)
        ]

    def freeze(self, *, version: str) -> Predictor:
        """A copy, named `version`, that nothing changes any more."""
        return Predictor(
            method=self.method.frozen(),
            labels=LabelSpace(self.labels.state()),
            tasks=LabelSpace(self.tasks.state()),
            version=version,
            input_shape=self.input_shape,
        )
