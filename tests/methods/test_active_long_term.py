"""A-LTM: a flexible network held near a stable one, which only sleep moves."""

from __future__ import annotations

from typing import Any

import torch

from streamlearner.methods.active_long_term import ActiveLongTerm
from tests.support.arms import TINY, accuracy, make, observe, sleep, state


def developed(**more: Any) -> ActiveLongTerm:
    """After two classes and a sleep."""
    settings = {"method__active_long_term__distillation_weight": 0.1, "sleep__steps": 20} | more
    method = make("active_long_term", **settings)
    assert isinstance(method, ActiveLongTerm)
    observe(method, 40, classes=2)
    method.adopt(sleep(method))
    return method


def meet_two_more(method: ActiveLongTerm) -> None:
    for step in range(40):
        method.observe(TINY.experience([2, 3] * 5, seed=500 + step))


def right_of_old(method: ActiveLongTerm) -> float:
    """Accuracy on the two classes of development, among all classes."""
    labels = [0, 1] * 20
    answers = method.predict_proba(TINY.inputs(labels, seed=77), None).argmax(1)
    return float((answers == torch.tensor(labels)).float().mean())


def left_stable(method: ActiveLongTerm) -> float:
    """Mean squared distance of H's answers to N's, for new kinds of input, over the classes N knows."""
    inputs = TINY.inputs([2, 3] * 20, seed=78).float() / 255
    with torch.no_grad():
        stable, flexible = (net.eval()(inputs)[:, :2] for net in (method.neocortex, method.hippocampus))
    return float((stable - flexible).square().mean())


def test_it_is_in_development_until_a_sleep_is_adopted() -> None:
    method = make("active_long_term")
    assert isinstance(method, ActiveLongTerm)
    observe(method, 5, classes=3)
    candidate = sleep(method)
    assert method.stable_classes == 0
    method.adopt(candidate)
    assert method.stable_classes == 3


def test_awake_the_stable_network_does_not_move() -> None:
    method = developed()
    before = state(method.neocortex)
    meet_two_more(method)
    assert state(method.neocortex) == before


def test_replay_keeps_the_old_where_nothing_holds_the_flexible_network() -> None:
    held, free = developed(), developed(method__active_long_term__distillation_weight=0.0)
    for method in (held, free):
        meet_two_more(method)
    assert right_of_old(free) < 0.3
    assert right_of_old(held) > right_of_old(free) + 0.3


def test_a_naive_learner_stays_nearer_the_stable_network_the_more_distance_weighs() -> None:
    left = []
    for weight in (0.0, 0.02, 0.1):
        method = developed(
            method__active_long_term__inputs="naive", method__active_long_term__distillation_weight=weight
        )
        meet_two_more(method)
        left.append(left_stable(method))
    assert left[0] > left[1] > left[2]


def test_after_consolidation_the_stable_network_alone_knows_old_and_new() -> None:
    method = developed()
    meet_two_more(method)
    method.adopt(sleep(method))
    method.hippocampus.load_state_dict(method.neocortex.state_dict())
    assert accuracy(method, TINY, 4) > 0.8
