"""EWC holds what mattered before the last adopted sleep, and lets the rest learn."""

from __future__ import annotations

import torch

from streamlearner.methods.elastic_weight_consolidation import ElasticWeightConsolidation
from tests.support.arms import TINY, make, observe, sleep


def ewc(**more: object) -> ElasticWeightConsolidation:
    method = make("elastic_weight_consolidation", **more)
    assert isinstance(method, ElasticWeightConsolidation)
    return method


def drift(ewc_lambda: float) -> float:
    """How far weights move from where they stood at a sleep, while other classes come; each counts by what it
    mattered."""
    method = ewc(method__ewc_lambda=ewc_lambda)
    observe(method, 30, classes=2)
    method.adopt(sleep(method))
    for step in range(10):
        method.observe(TINY.experience([2, 3] * 5, seed=step))
    networks = method.hippocampus, method.anchor, method.fisher
    parts = zip(*(network.weights for network in networks), strict=True)
    return float(torch.stack([(f * (w - a).square()).sum() for w, a, f in parts]).sum().detach())


def test_held_weights_stay_nearer_to_where_they_stood() -> None:
    assert drift(10_000.0) < 0.5 * drift(0.0)


def test_before_the_first_sleep_nothing_is_held() -> None:
    method, free = ewc(method__ewc_lambda=1e6), make("finetune")
    for one in (method, free):
        observe(one, 5)
    for parts, plain in zip(method.hippocampus.weights, free.hippocampus.weights, strict=True):
        assert torch.equal(parts, plain)


def test_what_mattered_adds_up_over_sleeps() -> None:
    method, totals = ewc(), []
    for round_ in range(3):
        observe(method, 5, seed=round_)
        method.adopt(sleep(method))
        totals.append(sum(float(weight.sum()) for weight in method.fisher.weights))
        assert int(method.batches) == 0
        assert not any(weight.any() for weight in method.new_fisher.weights)
    assert totals[0] < totals[1] < totals[2]
