from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.learning.questions import NOVELTY_WEIGHT, choose

NONE = torch.zeros(0, 2)


def at(*degrees: float) -> Tensor:
    """Features in these directions."""
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def asked(leads: list[float], features: Tensor, *, count: int = 10, **more: Tensor) -> list[int]:
    given = {"remembered": NONE, "asked": NONE} | more
    return [one.place for one in choose(torch.tensor(leads), features, count=count, **given)]


def test_the_least_sure_is_asked_first() -> None:
    assert asked([0.9, 0.1, 0.5], at(0, 90, 180), count=2) == [1, 2]


def test_of_two_that_are_alike_one_is_asked() -> None:
    assert asked([0.1, 0.1, 0.9], at(0, 0.1, 90)) == [0, 2]


def test_what_is_near_a_question_waits_for_what_is_far() -> None:
    assert asked([0.1, 0.12, 0.5], at(0, 12, 90)) == [0, 2, 1]


def test_what_was_shown_already_is_not_asked_in_other_words() -> None:
    assert asked([0.1, 0.2], at(0, 90), asked=at(0.1)) == [1]


def test_what_is_far_from_all_that_is_remembered_is_asked_before_what_is_near() -> None:
    leads = torch.tensor([0.5, 0.5])
    near, far = choose(leads, at(0, 90), remembered=at(89), asked=NONE, count=2)
    assert (near.place, far.place) == (0, 1)
    assert near.novelty is not None and far.novelty is not None
    assert near.novelty > far.novelty
    assert near.score == pytest.approx(near.uncertainty + NOVELTY_WEIGHT * near.novelty)


def test_nothing_that_waits_is_no_question() -> None:
    assert asked([], torch.zeros(0, 2)) == []
    assert asked([0.5], at(0)) == [0]


def test_a_model_without_finite_answers_asks_all_the_same() -> None:
    assert sorted(asked([torch.nan, 0.2], at(0, 90))) == [0, 1]


def test_a_thousand_copies_of_one_input_do_not_hide_the_others() -> None:
    copies = at(*torch.linspace(0, 0.2, 1000).tolist(), 90, 180)
    assert asked([0.0] * 1000 + [0.8, 0.9], copies)[1:] == [1000, 1001]
