"""Streaming LDA and nearest class means of CapyMOA (0.15), the library's own classes.

An optional install (`pip install capymoa`, and Java); nothing is imported from it before one is made.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

from torch import Tensor

from streamlearner.bench.peers.answering import Scoring
from streamlearner.bench.peers.simple import ByClass
from streamlearner.vision import torchvision as vision

Strategy = Literal["SLDA", "NCM"]


def is_installed() -> bool:
    return importlib.util.find_spec("capymoa") is not None


class CapyMoa(Scoring):
    """A strategy of CapyMOA on feature vectors, of so many classes as are said before: it has no others."""

    def __init__(self, *, strategy: Strategy, columns: int, most_classes: int) -> None:
        vision.load()  # CapyMOA would import it without our shim
        from capymoa.ocl import strategy as strategies
        from capymoa.stream import Schema

        named = [str(number) for number in range(most_classes)]
        schema = Schema.from_custom(
            features=[*(f"x{i}" for i in range(columns)), "class"],
            target="class",
            categories={"class": named},
            name="features",
        )
        self._learner: Any = getattr(strategies, strategy)(schema)
        self._classes = ByClass()
        self.parameter_bits = bits_of(strategy, columns=columns, classes=most_classes)

    def scores(self, inputs: Tensor) -> Tensor:
        found: Tensor = self._learner.batch_predict_proba(inputs)[:, : len(self._classes.labels)]
        return self._classes.by_label(found)

    def learn(self, inputs: Tensor, labels: Tensor) -> None:
        self._learner.batch_train(inputs, self._classes.numbers(labels))


def bits_of(strategy: Strategy, *, columns: int, classes: int) -> int:
    """Of what it learns: 32 for each class's count and mean, of SLDA those of all and the covariance, which
    it keeps whole."""
    shared = columns**2 + columns if strategy == "SLDA" else 0
    return 32 * (classes * (columns + 1) + shared)
