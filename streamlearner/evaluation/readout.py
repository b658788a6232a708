"""The linear readout: how much a representation still knows (paper 002, section 3).

A linear probe is fitted to frozen features and tested on examples that it has not seen. The probe here is
ridge regression onto one-hot labels, solved in closed form, so that the figure depends on the representation
alone and not on an optimiser's seed. Cross-validation over folds with equally many examples of each class.
"""

from __future__ import annotations

import torch
from torch import Tensor

FOLDS = 5
RIDGE = 1e-2
"""Ridge penalty, as a fraction of the mean feature variance: keeps the solution finite where there are fewer
examples than features."""


class LinearProbe:
    """Ridge regression from features to one-hot labels, fitted in closed form in float64."""

    def __init__(self, features: Tensor, labels: Tensor, *, classes: Tensor) -> None:
        """`features` [n, f] float32 and `labels` [n] int64, each one of `classes` [k] int64."""
        self.classes = classes
        targets = (labels[:, None] == classes).to(torch.float64)
        self._weights = _ridge(_with_bias(features), targets)

    def predict(self, features: Tensor) -> Tensor:
        """The most likely class [n] int64 for features [n, f]."""
        return self.classes[(_with_bias(features) @ self._weights).argmax(1)]


def readout_hits(features: Tensor, labels: Tensor) -> Tensor:
    """Which examples a linear probe classifies right that was fitted to the other folds.

    `features` [n, f] float32; `labels` [n] int64. Returns [n] bool; all False for fewer than two examples.
    """
    hits = torch.zeros(len(labels), dtype=torch.bool)
    for fold in range(FOLDS):
        tested, right = fold_hits(features, labels, fold=fold)
        hits[tested] = right
    return hits


def fold_hits(features: Tensor, labels: Tensor, *, fold: int) -> tuple[Tensor, Tensor]:
    """Of `readout_hits` those of one fold of `FOLDS`: the places [m] int64 of its examples, and which of them
    are classified right [m] bool."""
    folds = min(FOLDS, len(labels))
    if folds < 2:
        places = torch.arange(len(labels) if fold == 0 else 0)
        return places, torch.zeros(len(places), dtype=torch.bool)
    classes, targets = torch.unique(labels, return_inverse=True)
    test = _rank_in_class(targets) % folds == fold
    if not bool(test.any()):
        return torch.arange(0), torch.zeros(0, dtype=torch.bool)
    probe = LinearProbe(features[~test], labels[~test], classes=classes)
    return test.nonzero().flatten(), probe.predict(features[test]) == labels[test]


def _with_bias(features: Tensor) -> Tensor:
    """Features [n, f] with a column of ones for the bias, [n, f + 1] float64."""
    return torch.cat([features.to(torch.float64), torch.ones(len(features), 1, dtype=torch.float64)], dim=1)


def _rank_in_class(targets: Tensor) -> Tensor:
    """The number of earlier examples of the same class, [n]. Folds by this rank hold equally many of each
    class also where labels repeat with a period (folds by position could then lack a class in training)."""
    order = torch.argsort(targets, stable=True)
    counts = torch.bincount(targets)
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    rank = torch.empty_like(targets)
    rank[order] = torch.arange(len(targets)) - first
    return rank


def _ridge(inputs: Tensor, targets: Tensor) -> Tensor:
    """Weights [f, k] of least squares from `inputs` [n, f] to `targets` [n, k], with a penalty relative to
    the scale of the inputs."""
    gram = inputs.T @ inputs
    penalty = RIDGE * gram.diagonal().mean().clamp_min(1e-12)
    probe: Tensor = torch.linalg.solve(
        gram + penalty * torch.eye(len(gram), dtype=gram.dtype), inputs.T @ targets
    )
    return probe
