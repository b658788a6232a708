"""Which inputs are asked about: those whose label would teach most, and no two that are nearly alike."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

NOVELTY_WEIGHT = 0.3
"""Of novelty beside uncertainty. Chosen on small digits (`bench run questions`)."""
USUAL_FROM = 256
"""Inputs from which the usual distance between two is taken."""
NEARLY_ALIKE = 0.05
"""Share of the usual distance within which two inputs are one question."""


class Question(NamedTuple):
    """Why an input is asked about: `score` = (`uncertainty` + NOVELTY_WEIGHT · `novelty`) · `diversity`, each
    from 0 to 1. `place` is that among the inputs offered; `novelty` None where nothing is remembered."""

    place: int
    score: float
    uncertainty: float
    novelty: float | None
    diversity: float


def choose(
    leads: Tensor, features: Tensor, *, remembered: Tensor, asked: Tensor, count: int
) -> list[Question]:
    """At most `count` of n inputs, the most instructive first: greedily, each time the one of the largest
    score given those before it. Fewer where all that are left are `NEARLY_ALIKE` to others.

    Uncertainty is 1 minus the lead [n] of the most probable class over the second, which is margin sampling
    (Scheffer, Decomain and Wrobel, "Active Hidden Markov Models for Information Extraction", 2001; Settles,
    "Active Learning Literature Survey", 2009, section 3.1). Novelty is d / (d + u): the distance d of its
    `features` [n, f] to the nearest `remembered` [m, f], and the usual distance u among inputs. Diversity is
    the distance to the nearest question before it, or to the nearest `asked` [k, f] (which somebody has
    been shown already), as a share of the usual one, 1 at most: the farthest-first rule of k-centre (Sener
    and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", 2018), weighted by
    the score. Distances are between features of length 1.

    Differs: the paper covers all inputs, and forgets how sure the answers are; here distance only keeps
    questions apart.
    """
    points = F.normalize(features.float().nan_to_num(), dim=1)
    uncertainty = 1 - leads.float().nan_to_num().clamp(0, 1)
    usual = _usual_distance(points)
    novelty = _novelty(points, remembered, usual)
    worth = uncertainty if novelty is None else uncertainty + NOVELTY_WEIGHT * novelty
    apart = _nearest(points, F.normalize(asked.float().nan_to_num(), dim=1)) / usual
    found: list[Question] = []
    while len(found) < count and bool((apart > NEARLY_ALIKE).any()):
        diversity = apart.clamp(max=1)
        scores = worth * diversity
        best = int(scores.where(apart > NEARLY_ALIKE, -1.0).argmax())
        new = None if novelty is None else float(novelty[best])
        found.append(
            Question(best, float(scores[best]), float(uncertainty[best]), new, float(diversity[best]))
        )
        apart = torch.minimum(apart, _nearest(points, points[best : best + 1]) / usual)
    return found


def _novelty(points: Tensor, remembered: Tensor, usual: Tensor) -> Tensor | None:
    if not len(remembered):
        return None
    distance = _nearest(points, F.normalize(remembered.float().nan_to_num(), dim=1))
    return distance / (distance + usual)


def _nearest(points: Tensor, others: Tensor) -> Tensor:
    """The distance of each of `points` [n, f] to the nearest of `others`; infinite where there are none."""
    if not len(others):
        return torch.full((len(points),), torch.inf)
    return torch.cdist(points, others).amin(1)


def _usual_distance(points: Tensor) -> Tensor:
    """The mean between two of some of them, and, as nearly all may be copies of one, no less than a third of
    the way from one to the farthest; never 0."""
    some = points[torch.linspace(0, len(points) - 1, min(len(points), USUAL_FROM)).long()]
    mean = torch.cdist(some, some).sum() / max(1, len(some) * (len(some) - 1))
    farthest = _nearest(points, points[:1]).max() if len(points) else torch.zeros(())
    return torch.maximum(mean, farthest / 3).clamp_min(1e-6)
