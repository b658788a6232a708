"""Whether statistics or the nearest recollections answer better: on recollections that neither was given.

Class after class, what comes next is nearly always of the class that came last, and an exam of few examples
says little. What is remembered was seen of all classes, and is there to be asked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamlearner.evaluation.evidence import TINY
from streamlearner.methods.nearest import NearestRecollections
from streamlearner.statistics.discriminant import discriminant
from streamlearner.statistics.statistics import Statistics

FOLDS, OF_A_FOLD, LEAST = 4, 128, 50
"""Groups of recollections, of which one after the other is held out and asked; how many each has at most; and
recollections, fewer of which tell nothing."""


def nearest_ahead(
    shown: Tensor, numbers: Tensor, labels: Tensor, *, statistics: Statistics, classes: int
) -> float | None:
    """By how many standard errors the nearest recollections answer better than statistics; negative: less
    well; None: too few are remembered to tell. `shown` [m, *input_shape] are recollections as learned,
    `numbers` [m, directions] the same as `statistics` see them, with `labels` [m].

    Both are given the rest of the recollections, also where statistics saw many more examples and answer
    better than that: their own sums tell nothing here, as recollections are coarser than the inputs that were
    summed, and answered less well."""
    if len(labels) < LEAST:
        return None
    seen, of_class = statistics.used(numbers).double(), nn.functional.one_hot(labels, classes).double()
    counts, sums, scatter = of_class.sum(0), of_class.T @ seen, seen.T @ seen
    differences = []
    for fold in range(FOLDS):
        of_fold = torch.arange(fold, len(labels), FOLDS)
        asked = of_fold[torch.arange(most := min(OF_A_FOLD, len(of_fold))) * len(of_fold) // most]
        rest = torch.ones(len(labels), dtype=torch.bool).index_fill_(0, asked, False)
        nearest = NearestRecollections(shown[rest], labels[rest], classes=classes)(shown[asked]).argmax(1)
        own, theirs = seen[asked], of_class[asked]
        of_rest = discriminant(counts - theirs.sum(0), sums - theirs.T @ own, scatter - own.T @ own)
        summed = of_rest.scores(own).argmax(1)
        differences.append((nearest == labels[asked]).double() - (summed == labels[asked]).double())
    difference = torch.cat(differences)
    return float(difference.mean() / (difference.var() / len(difference)).sqrt().clamp_min(TINY))
