"""What the mean of each class is worth on the exam: as an answer, and in place of a recollection.

Both are floors. A learner below the first, or a code above the second, is not worth its bits.
"""

from __future__ import annotations

import torch
from torch import Tensor

CLIPPED = 10.0
"""Standard deviations beyond which a value counts no further."""


def standardised(inputs: Tensor, like: Tensor) -> Tensor:
    """Inputs [n, *shape] as float32 [n, values] in standard deviations of those of `like`; images as a whole,
    feature vectors column by column."""
    flat, others = inputs.flatten(1).double(), like.flatten(1).double()
    by = None if like.ndim > 2 else 0
    middle, spread = others.mean(by), others.std(by, correction=0)
    scaled = (flat - middle) / torch.where(spread > 0, spread, torch.inf)
    return scaled.clamp(-CLIPPED, CLIPPED).float()


def means_of_others(values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of each example [n, values] the mean of the others of its class, and which examples have others [n]."""
    _, of, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(counts), values.shape[1]).index_add_(0, of, values)
    others = counts[of] - 1
    return (sums[of] - values) / others.clamp_min(1)[:, None], others > 0


def hits_of_class_means(inputs: Tensor, labels: Tensor, tasks: Tensor) -> Tensor:
    """Which examples are nearest to the mean of the others of their class, [n] bool, among the classes of
    their task (-1: none). Inputs [n, *shape] raw."""
    values = standardised(inputs, inputs)
    classes, of, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(classes), values.shape[1]).index_add_(0, of, values)
    distances = torch.cdist(values, sums / counts[:, None])
    own, has_others = means_of_others(values, labels)
    places = torch.arange(len(values))
    distances[places, of] = torch.where(has_others, (values - own).norm(dim=1), torch.inf)
    of_task = torch.zeros(int(tasks.max()) + 2, len(classes), dtype=torch.bool)
    of_task[tasks + 1, of] = True
    distances[~of_task[tasks + 1]] = torch.inf
    hits: Tensor = has_others & (distances.argmin(1) == of)
    return hits


def code_error(inputs: Tensor, coded: Tensor, labels: Tensor) -> float | None:
    """Squared error of the `coded` inputs over that of the mean of the others of each class: above 1 the mean
    would be the better recollection. Both raw [n, *shape]; None where no two examples of a class differ."""
    values = standardised(inputs, inputs)
    own, has_others = means_of_others(values, labels)
    spread = float((values - own)[has_others].square().sum())
    error = float((values - standardised(coded, inputs))[has_others].square().sum())
    return error / spread if spread else None
