"""How many places of a map are told apart follows from the budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamlearner.app.parts import make_eye
from streamlearner.config.loading import load
from streamlearner.errors import ConfigError
from streamlearner.memory.code_size import places_for
from tests.support.eyes import FEATURES


@pytest.mark.parametrize(
    ("budget_bits", "of_codes", "beside_statistics"),
    [(1_000, 1, 1), (2_000, 2, 1), (7_680, 3, 1), (491_520, 3, 1), (1_228_800, 3, 2), (4_915_200, 3, 3)],
)
def test_codes_are_worth_more_places_than_statistics_which_keep_a_scale_of_each_feature(
    budget_bits: int, of_codes: int, beside_statistics: int
) -> None:
    chosen = [places_for(112, 6, budget_bits=budget_bits, statistics=it) for it in (False, True)]
    assert chosen == [of_codes, beside_statistics]


def test_there_is_always_a_place_and_never_more_than_the_map_has() -> None:
    for budget_bits in (0, 10**9):
        for channels, most in ((1, 1), (3, 7), (2_048, 7)):
            for statistics in (False, True):
                found = places_for(channels, most, budget_bits=budget_bits, statistics=statistics)
                assert 1 <= found <= most
                assert found == 1 or channels * found**2 <= 1_024
    assert places_for(3, 7, budget_bits=10**9, statistics=True) == 7


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({"memory.budget_bits": 20_000}, 1),
        ({"memory.budget_bits": 400_000}, 4),
        ({"memory.budget_bits": 20_000, "method.statistics": False}, 7),
        ({"memory.budget_bits": 20_000, "method.name": "streaming_statistics"}, 1),
        ({"memory.budget_bits": 20_000, "method.name": "rehearsal"}, 7),
    ],
)
def test_auto_leaves_the_places_of_an_eye_to_the_budget(settings: dict[str, Any], places: int) -> None:
    named = {"eye.name": "tests.support.eyes:tiny", "eye.places": "auto"}
    eye = make_eye(load(path=None, settings=named | settings, environ={}))
    assert eye is not None
    assert eye.places == places
    assert eye.features == FEATURES * places**2


def test_another_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"eye\.places"):
        load(path=None, settings={"eye.name": "efficientnet_lite0", "eye.places": "many"}, environ={})
