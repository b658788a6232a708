"""Predictions of a method under its labels and version; `freeze()` makes the copy that is served."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor

from streamlearner.decoding.label_space import LabelSpace
from streamlearner.decoding.labels import FactorValue
from streamlearner.evaluation.withheld import batches
from streamlearner.eyes.eye import Eye
from streamlearner.learning.targets import factor_task
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks.imputation import MeanImputation
from streamlearner.stream import Label


class AnsweringMemory(Protocol):
    """What a predictor needs of a method (`methods.base.DualMemory` has it)."""

    @property
    def classes(self) -> int: ...

    @property
    def seen_classes(self) -> SeenClasses: ...

    @property
    def route(self) -> str: ...

    @property
    def unsettled(self) -> bool: ...

    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor: ...

    def features(self, inputs: Tensor) -> Tensor: ...

    def frozen(self) -> Self: ...


class ModelVersion(NamedTuple):
    """Names exact weights: the adopted version, how many examples had been learned in all, and how often the
    history went back, as it may come to the same two numbers again with other weights."""

    adopted: int = 0
    examples: int = 0
    rollbacks: int = 0

    def __str__(self) -> str:
        return f"{self.adopted}.{self.examples}" + (f".{self.rollbacks}" if self.rollbacks else "")


class Choice(NamedTuple):
    """The most probable of some classes, its probability, and that of each where they were asked for."""

    label: Label
    probability: float
    probabilities: dict[Label, float] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction: the most probable label, its probability, and the memory that answered (`route`). Where
    labels have factors, `label`, `probability` and `probabilities` are by factor."""

    label: Label | dict[str, Label]
    probability: float | dict[str, float]
    route: str
    probabilities: dict[Label, float] | dict[str, dict[Label, float]] | None = None

    @property
    def finite(self) -> bool:
        """False where a probability is not a finite number: weights or inputs overflowed."""
        if isinstance(self.probability, dict):
            return all(map(math.isfinite, self.probability.values()))
        return math.isfinite(self.probability)


PLAIN = "label"
"""The name of plain labels in answers by factor, where the stream has both."""
AT_ONCE = 16
"""Inputs that one forward pass always takes; more are answered in `batches` of few sizes."""


class Predictor:
    """Answers from a method. A frozen one shares nothing with learning and may be used from any thread."""

    def __init__(
        self,
        *,
        method: AnsweringMemory,
        labels: LabelSpace,
        tasks: LabelSpace,
        version: ModelVersion,
        input_shape: Sequence[int],
        eye: Eye | None = None,
        missing: MeanImputation | None = None,
    ) -> None:
        self.method = method
        self.labels = labels
        self.tasks = tasks
        self.version = version
        self.input_shape = tuple(input_shape)
        self.eye = eye
        self.missing = missing

    @property
    def ready(self) -> bool:
        """True once at least one class is known."""
        return self.method.classes > 0

    @property
    def is_finite(self) -> bool:
        """False where even an input of zeros gets no finite answer: the weights overflowed."""
        shape = (self.eye.features,) if self.eye else self.input_shape
        dtype = torch.uint8 if len(shape) == 3 else torch.float32
        with torch.inference_mode():
            scores = self._proba(torch.zeros(1, *shape, dtype=dtype), task=None)
        return bool(scores.isfinite().all())

    def predict_proba(self, inputs: Tensor, *, task: str | None = None) -> Tensor:
        """Probabilities [n, classes]. `inputs` [n, *input_shape], raw. An unknown task counts as none."""
        return self._proba(self._seen(inputs), task=task)

    def _seen(self, inputs: Tensor) -> Tensor:
        """What the method takes."""
        if self.missing is not None:
            return self.missing.fill(inputs)[0]
        return inputs if self.eye is None else self.eye.see(inputs)

    def _proba(self, inputs: Tensor, *, task: str | None) -> Tensor:
        index = self.tasks.find(task) if task is not None else None
        tasks = None if index is None else torch.full((len(inputs),), index, dtype=torch.int64)
        if len(inputs) <= AT_ONCE:
            return self.method.predict_proba(inputs, tasks)
        found = [
            self.method.predict_proba(inputs[part], None if tasks is None else tasks[part])
            for part in batches(len(inputs))
        ]
        return torch.cat(found)

    def predict(
        self, inputs: Tensor, *, task: str | None = None, probabilities: bool = False
    ) -> list[Answer]:
        """One Answer for each of `inputs` [n, *input_shape]. Where labels have factors, every factor
        answers, or only the one that `task` names."""
        route, known, inputs = self.method.route, self._answering(), self._seen(inputs)
        if known.keys() == {None}:
            scores = self._proba(inputs, task=task)
            every = range(scores.shape[1])
            return [
                Answer(label, probability, route, shown)
                for label, probability, shown in self._choose(scores, every, probabilities)
            ]
        asked = list(known) if task is None or task not in known else [task]
        chosen = [self._of_factor(inputs, factor, task, probabilities) for factor in asked]
        names = [factor or PLAIN for factor in asked]
        return [_joined(names, choices, route) for choices in zip(*chosen, strict=True)]

    def look(self, inputs: Tensor, *, task: str | None = None) -> tuple[Tensor, Tensor]:
        """For `inputs` [n, *input_shape], raw: by how much the most probable class leads the second, [n] (of
        several factors, the least lead), and the features of the method, [n, f]."""
        known, inputs = self._answering(), self._seen(inputs)
        asked = list(known) if task is None or task not in known else [task]
        scores = [self._factor_scores(inputs, factor, task)[0] for factor in asked]
        return torch.stack([_lead(one) for one in scores]).amin(0), self.method.features(inputs)

    def _answering(self) -> dict[str | None, list[int]]:
        """The classes by factor that the method knows: others have been seen in the exam alone."""
        count = self.method.classes
        known = {factor: [i for i in found if i < count] for factor, found in self.labels.factors.items()}
        return {factor: found for factor, found in known.items() if found}

    def _of_factor(
        self, inputs: Tensor, factor: str | None, task: str | None, probabilities: bool
    ) -> list[Choice]:
        return self._choose(*self._factor_scores(inputs, factor, task), probabilities)

    def _factor_scores(
        self, inputs: Tensor, factor: str | None, task: str | None
    ) -> tuple[Tensor, Sequence[int]]:
        """Scores among the classes of one factor (None: plain labels), within a named task; and these."""
        within = task if task != factor else None
        if factor is not None:
            whole = factor_task(within, factor)
            within = factor if self.tasks.find(whole) is None else whole
        scores, classes = self._proba(inputs, task=within), self._answering()[factor]
        among = scores[:, classes]
        return among / among.sum(1, keepdim=True).clamp_min(1e-30), classes

    def _choose(self, scores: Tensor, classes: Sequence[int], probabilities: bool) -> list[Choice]:
        """The best of these classes, whose scores [n, m] these are."""
        best = scores.max(dim=1)
        rows: Sequence[dict[Label, float] | None] = [None] * len(scores)
        if probabilities:
            names = [self._name(index) for index in classes]
            rows = [dict(zip(names, row, strict=True)) for row in scores.tolist()]
        return [
            Choice(self._name(classes[place]), value, row)
            for place, value, row in zip(best.indices.tolist(), best.values.tolist(), rows, strict=True)
        ]

    def _name(self, index: int) -> Label:
        label = self.labels.label(index)
        return label.value if isinstance(label, FactorValue) else label

    def freeze(self) -> Predictor:
        """A copy that nothing changes any more."""
        return Predictor(
            method=self.method.frozen(),
            labels=self.labels.copy(),
            tasks=self.tasks.copy(),
            version=self.version,
            input_shape=self.input_shape,
            eye=self.eye,
            missing=copy.deepcopy(self.missing),
        )


def _lead(scores: Tensor) -> Tensor:
    """Of the best over the second best, of [n, m]; of a single class, its score."""
    best = scores.topk(min(2, scores.shape[1]), dim=1).values
    return best[:, 0] - best[:, 1:].sum(1)


def _joined(factors: Sequence[str], choices: Sequence[Choice], route: str) -> Answer:
    """One answer of several factors."""
    found = dict(zip(factors, choices, strict=True))
    shown = {name: one.probabilities for name, one in found.items() if one.probabilities is not None}
    return Answer(
        label={name: one.label for name, one in found.items()},
        probability={name: one.probability for name, one in found.items()},
        route=route,
        probabilities=shown or None,
    )
