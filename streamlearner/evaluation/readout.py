"""The linear readout: how much a representation still knows (paper 002, section 3).

A linear probe is trained on frozen features and tested on examples it has not seen. The probe here is ridge
regression onto one-hot labels, solved in closed form, so that the figure depends on the representation
alone and not on an optimiser's luck; folds with equally many of each class take turns as the test.
"""

from __future__ import annotations

import torch
from torch import Tensor

FOLDS = 5
RIDGE = 1e-2
"""Of the mean feature variance; keeps the solution finite where there are fewer examples than features."""


def readout_hits(features: Tensor, labels: Tensor) -> Tensor:
    """Which examples a linear probe, trained on the other folds, gets right.

    `features` [n, f] float32; `labels` [n] int64. Returns [n] bool. With fewer than two examples: all False.
    """
    n = len(labels)
    hits = torch.zeros(n, dtype=torch.bool)
    folds = min(FOLDS, n)
    if folds < 2:
        return hits
    classes, targets = torch.unique(labels, return_inverse=True)
    wanted = torch.nn.functional.one_hot(targets, len(classes)).to(torch.float64)
    inputs = _with_one(features)
    place = _rank_in_class(targets) % folds
    for fold in range(folds):
        train, test = place != fold, place == fold
        probe = _ridge(inputs[train], wanted[train])
        hits[test] = (inputs[test] @ probe).argmax(1) == targets[test]
    return hits


def readout_accuracy(
    features: Tensor, labels: Tensor, *, test_features: Tensor, test_labels: Tensor
) -> float:
    """The share of test examples that a linear probe, trained on `features` [n, f] and `labels` [n], gets
    right among the classes of `labels`. Raises ValueError where either part is empty."""
    if not len(labels) or not len(test_labels):
        raise ValueError(f"{len(labels)} examples to train a probe on, {len(test_labels)} to test it on")
    classes, targets = torch.unique(labels, return_inverse=True)
    wanted = torch.nn.functional.one_hot(targets, len(classes)).to(torch.float64)
    probe = _ridge(_with_one(features), wanted)
    answers = classes[(_with_one(test_features) @ probe).argmax(1)]
    return float((answers == test_labels).float().mean())


def _with_one(features: Tensor) -> Tensor:
    """With a column for the bias, [n, f + 1] float64."""
    return torch.cat([features.to(torch.float64), torch.ones(len(features), 1, dtype=torch.float64)], dim=1)


def _rank_in_class(targets: Tensor) -> Tensor:
    """The how-manieth of its class each example is, [n]: folds by rank have of each class equally many,
    also where labels come in turns (folds by place would then test on classes that they did not train)."""
    order = torch.argsort(targets, stable=True)
    counts = torch.bincount(targets)
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    rank = torch.empty_like(targets)
    rank[order] = torch.arange(len(targets)) - first
    return rank


def _ridge(inputs: Tensor, wanted: Tensor) -> Tensor:
    """The weights [f, classes] of least squares with a penalty relative to the features' own scale."""
    gram = inputs.T @ inputs
    penalty = RIDGE * gram.diagonal().mean().clamp_min(1e-12)
    probe: Tensor = torch.linalg.solve(
        gram + penalty * torch.eye(len(gram), dtype=gram.dtype), inputs.T @ wanted
    )
    return probe
