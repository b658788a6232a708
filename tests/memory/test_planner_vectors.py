"""How long the planner makes codes of vectors and of an eye's features."""

from __future__ import annotations

import pytest

from streamlearner.app import measure_for
from streamlearner.memory.code_size import feature_bits_for
from streamlearner.memory.planner import Planner


def planner(values: int, budget_bits: int, *, classes: int) -> Planner:
    shape = (values,)
    return Planner(budget_bits=budget_bits, input_shape=shape, measure=measure_for(shape), classes=classes)


@pytest.mark.parametrize(
    ("room_bits", "classes", "least", "most"),
    [(15_360, 100, 32, 64), (245_760, 100, 96, 192), (15_360, 10, 48, 96), (245_760, 10, 192, 384)],
)
def test_codes_of_an_eyes_features_are_as_long_as_retained_most(
    room_bits: int, classes: int, least: int, most: int
) -> None:
    """The best of 32, 64, 128, 256 and 512 bits, and what lies next to it on the side of the second best."""
    assert least <= feature_bits_for(values=1_280, room_bits=room_bits, classes=classes) <= most
    plan = planner(1_280, room_bits, classes=classes).plan()
    room = room_bits - plan.statistics_bits
    assert plan.code_bits <= feature_bits_for(values=1_280, room_bits=room, classes=classes)


def test_no_code_of_a_vector_is_longer_than_two_bits_a_value_nor_shorter_than_sixteen() -> None:
    assert feature_bits_for(values=20, room_bits=10**7, classes=2) == 40
    assert feature_bits_for(values=2_000, room_bits=64, classes=1_000) == 16
    assert feature_bits_for(values=4, room_bits=0, classes=0) == 8


def test_of_a_short_stream_of_vectors_each_example_has_the_bits_that_there_are() -> None:
    asked = planner(1_280, 60_000, classes=100)
    assert asked.plan(examples=100_000).code_bits == asked.plan().code_bits < 64
    assert asked.plan(examples=300).code_bits > 100
    assert asked.plan(examples=300).recollections >= 300
