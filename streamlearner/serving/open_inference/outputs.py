"""Answers, to output tensors: what was asked for, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamlearner.decoding.labels import ClassName, FactorValue, label_text
from streamlearner.learning.predictor import PLAIN, Answer, Predictor
from streamlearner.serving.answers import Answered
from streamlearner.serving.open_inference.tensors import NamedTensor

LABEL, PROBABILITY, PROBABILITIES = OUTPUTS = ("label", "probability", "probabilities")


def classes(predictor: Predictor) -> list[ClassName]:
    """What the columns of `probabilities` are of, in their order: that in which the classes arrived, so that
    one keeps its column for good."""
    return [predictor.labels.label(index) for index in range(predictor.method.classes)]


def factors(predictor: Predictor) -> list[str]:
    """What the columns of `probability` are of, where labels have factors; none where they are plain."""
    found = list(dict.fromkeys(_factor(name) for name in classes(predictor)))
    return [] if found == [PLAIN] else found


def encode(answered: Answered, names: Sequence[str]) -> list[NamedTensor]:
    """Each of `names`, which are among OUTPUTS."""
    made = {LABEL: _labels, PROBABILITY: _probability, PROBABILITIES: _probabilities}
    return [made[name](answered) for name in names]


def _labels(answered: Answered) -> NamedTensor:
    values = np.empty(len(answered.answers), dtype=object)
    values[:] = [label_text(answer.label).encode() for answer in answered.answers]
    return NamedTensor(LABEL, "BYTES", values)


def _probability(answered: Answered) -> NamedTensor:
    """[n], or [n, factors]: 0 for a factor that was not asked."""
    names = factors(answered.predictor)
    found: list[Any] = [
        [answer.probability.get(name, 0.0) for name in names]
        if isinstance(answer.probability, dict)
        else answer.probability
        for answer in answered.answers
    ]
    return NamedTensor(PROBABILITY, "FP32", np.array(found, np.float32))


def _probabilities(answered: Answered) -> NamedTensor:
    """[n, classes]: 0 for classes of a factor that was not asked."""
    columns = classes(answered.predictor)
    rows = [[_of_class(answer, column) for column in columns] for answer in answered.answers]
    return NamedTensor(PROBABILITIES, "FP32", np.array(rows, np.float32))


def _of_class(answer: Answer, column: ClassName) -> float:
    found: Any = answer.probabilities or {}
    if isinstance(answer.label, dict):
        found = found.get(_factor(column), {})
    return float(found.get(column.value if isinstance(column, FactorValue) else column, 0.0))


def _factor(name: ClassName) -> str:
    return name.factor if isinstance(name, FactorValue) else PLAIN
