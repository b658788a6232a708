"""JSON is read by a faster parser, and vectors are narrowed in one pass; what comes out is what the standard
library and numpy give, to the bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlearner.decoding.headers import parse_json
from streamlearner.decoding.inputs import Limits, read_input
from streamlearner.errors import InvalidInput

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
NUMBERS = st.lists(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**45), 10**45), min_size=1
)


@given(VALUES)
def test_a_value_comes_back_as_the_standard_library_reads_it(value: object) -> None:
    text = json.dumps(value)
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        with pytest.raises(InvalidInput, match="Infinity"):
            parse_json(text.encode())
    else:
        assert repr(parse_json(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize(
    "text", ["[" * 300 + "]" * 300, '{"label": "\\ud800"}', "[1e400]", '{"a": 1, "a": 2}', "[-0, -0.0]"]
)
def test_what_only_the_standard_library_takes_is_taken(text: str) -> None:
    assert repr(parse_json(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize("text", ["[NaN]", "[01]", "[1,]", "[1]x", "", "{'a': 1}"])
def test_what_is_not_json_is_refused_in_the_words_of_the_standard_library(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^value is not JSON \((JSONDecodeError|ValueError): "):
        parse_json(text.encode())


@given(NUMBERS)
def test_a_vector_is_rounded_as_numpy_rounds_it_or_refused(numbers: list[float]) -> None:
    with np.errstate(over="ignore"):
        expected = np.array(numbers, np.float64).astype(np.float32)
    if np.isfinite(expected).all():
        found = read_input(numbers)
        assert (found.dtype, found.tobytes()) == (np.float32, expected.tobytes())
    else:
        with pytest.raises(InvalidInput, match=r"input holds -?\d.*, beyond float32 \(number "):
            read_input(numbers)


def test_a_missing_number_beyond_float32_is_still_known() -> None:
    found = read_input([1.0, 1e300, 2.0], limits=Limits(missing=frozenset({1e300})))
    assert np.isnan(found).tolist() == [False, True, False]
