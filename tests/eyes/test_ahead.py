"""Small batches that wait one behind the other share a pass of the eye, where that changes no bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamlearner.eyes.ahead import TOGETHER
from streamlearner.eyes.by_name import build_eye
from tests.eyes.test_eye import pictures
from tests.support.eyes import FEATURES

FICKLE = "tests.support.eyes:Fickle"


def test_what_was_seen_ahead_is_what_would_be_seen_now() -> None:
    eye, fresh, shown = build_eye(FICKLE), build_eye(FICKLE), pictures(TOGETHER)
    assert eye.ahead is not None and fresh.ahead is not None
    assert eye.ahead.wanted(shown[:10]) == TOGETHER - 10
    eye.ahead.look(shown)
    for part in (shown[:10], shown[10:20], shown[[35, 22, 35]]):
        assert eye.ahead.holds(part) and eye.ahead.wanted(part) == 0, "it is seen already"
        found = eye.see(part, alike=True)
        assert found.shape == (len(part), FEATURES)
        assert torch.equal(found, fresh.see(part, alike=True))
        assert not eye.ahead.holds(part), "what is learned is not kept"
        assert torch.equal(eye.see(part, alike=True), found)
    other = pictures(3, seed=1)
    assert torch.equal(eye.see(other, alike=True), fresh.see(other, alike=True)), "it was not seen before"


def test_only_what_was_seen_last_is_kept() -> None:
    eye, shown = build_eye(FICKLE), pictures(40)
    assert eye.ahead is not None
    eye.ahead.look(shown[:20])
    eye.ahead.look(shown[20:])
    assert eye.ahead.take(shown[:5]) is None and eye.ahead.take(shown[20:25]) is not None
    assert eye.ahead.take(shown[24:30]) is None, "one of them was taken"


@pytest.mark.parametrize(
    "images",
    [pictures(16), pictures(0), pictures(3, channels=2), torch.zeros(4, 7)],
    ids=["enough for a pass", "none", "no image that an eye sees", "features"],
)
def test_nothing_is_wanted_where_nothing_is_saved(images: Tensor) -> None:
    ahead = build_eye(FICKLE).ahead
    assert ahead is not None and ahead.wanted(images) == 0


def test_no_pass_is_shared_where_an_image_is_seen_otherwise_among_others() -> None:
    eye = build_eye("tests.support.eyes:Sociable")
    assert eye.ahead is not None and eye.ahead.wanted(pictures(10)) == 0
