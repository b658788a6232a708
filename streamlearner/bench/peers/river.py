"""River's classifiers on feature vectors of few values. An optional install (`streamlearner[peers]`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from streamlearner.bench.peers.answering import NOTHING, Candidate


def made(name: str, *, seed: int) -> Any:
    """A fresh model: logistic regression over standardised values, one against the rest; a Hoeffding adaptive
    tree; an adaptive random forest of ten trees. All with River's defaults."""
    if name == "logistic_regression":
        from river import linear_model, multiclass, preprocessing

        one = linear_model.LogisticRegression()
        return preprocessing.StandardScaler() | multiclass.OneVsRestClassifier(one)
    if name == "hoeffding_adaptive_tree":
        from river import tree

        return tree.HoeffdingAdaptiveTreeClassifier(seed=seed)
    from river import forest

    return forest.ARFClassifier(seed=seed)


class RiverCandidate(Candidate):
    """One of River's models; what it holds is not counted."""

    def __init__(self, name: str, *, seed: int) -> None:
        self.model = made(name, seed=seed)

    def answer(self, inputs: Tensor) -> Tensor:
        found = [self.model.predict_one(row) for row in as_mappings(inputs)]
        return torch.tensor([NOTHING if label is None else int(label) for label in found])

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        for row, label in zip(as_mappings(inputs), labels.tolist(), strict=True):
            self.model.learn_one(row, label)


def as_mappings(inputs: Tensor) -> list[dict[int, float]]:
    return [dict(enumerate(row)) for row in inputs.tolist()]
