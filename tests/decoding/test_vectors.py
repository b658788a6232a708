"""Feature vectors: which number is refused, and what was expected in its place."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamlearner.decoding.vectors import as_vector
from streamlearner.errors import InvalidInput


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "input holds NaN (number 1 of 3, from 0)"),
        (-math.inf, "input holds infinity (number 1 of 3, from 0)"),
        (1e300, "input holds 1e+300, beyond float32 (number 1 of 3, from 0)"),
    ],
)
def test_the_first_number_that_cannot_be_held_is_told_with_its_place(value: float, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        as_vector(np.array([1.0, value, math.nan]), missing=None)
    expected = "; expected finite numbers, or codec.missing_values for those that are missing"
    assert str(refused.value) == said + expected


def test_where_numbers_may_be_missing_only_others_are_refused() -> None:
    assert math.isnan(as_vector(np.array([1.0, math.nan]), missing=())[1])
    with pytest.raises(
        InvalidInput, match=r"holds infinity \(number 0 of 2, from 0\); expected finite numbers$"
    ):
        as_vector(np.array([math.inf, math.nan]), missing=())
