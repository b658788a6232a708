"""Whether statistics or the nearest recollections answer better: on recollections that neither was given.

Class after class, what comes next is nearly always of the class that came last, and an exam of few examples
says little. What is remembered was seen of all classes, and is there to be asked.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamlearner.methods.answerers import NEAREST, STATISTICS
from streamlearner.methods.nearest import NearestRecollections
from streamlearner.statistics.discriminant import discriminant
from streamlearner.statistics.statistics import Statistics

FOLDS, OF_A_FOLD, LEAST = 4, 128, 50
"""Groups of recollections, of which one after the other is held out and asked; how many each has at most; and
recollections, fewer of which tell nothing."""
DOUBT = 2.0
"""Standard errors of the difference by which one must be better: it is asked again and again."""


def better_on_recollections(
    shown: Tensor, numbers: Tensor, labels: Tensor, *, statistics: Statistics, classes: int
) -> str | None:
    """STATISTICS, NEAREST, or None where there is little between them. `shown` [m, *input_shape] are
    recollections as learned, `numbers` [m, directions] the same as `statistics` see them, with `labels`
    [m]."""
    if len(labels) < LEAST:
        return None
    seen, of_class = statistics.used(numbers).double(), nn.functional.one_hot(labels, classes).double()
    counts, sums, scatter = of_class.sum(0), of_class.T @ seen, seen.T @ seen
    differences = []
    for fold in range(FOLDS):
        of_fold = torch.arange(fold, len(labels), FOLDS)
        asked = of_fold[:: -(-len(of_fold) // OF_A_FOLD)]
        rest = torch.ones(len(labels), dtype=torch.bool).index_fill_(0, asked, False)
        nearest = NearestRecollections(shown[rest], labels[rest], classes=classes)(shown[asked]).argmax(1)
        own, theirs = seen[asked], of_class[asked]
        of_rest = discriminant(counts - theirs.sum(0), sums - theirs.T @ own, scatter - own.T @ own)
        summed = of_rest.scores(own).argmax(1)
        differences.append((nearest == labels[asked]).double() - (summed == labels[asked]).double())
    difference = torch.cat(differences)
    margin = DOUBT * float((difference.var() / len(difference)).sqrt())
    if abs(mean := float(difference.mean())) <= margin:
        return None
    return NEAREST if mean > 0 else STATISTICS
