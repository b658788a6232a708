"""Inputs: what lists, bytes and base64 may hold, and the one tensor each of them means."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlearner.decoding.inputs import Limits, read_dtype, read_input, read_raw, read_shape
from streamlearner.errors import InvalidInput


def reason_of(value: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_input(value)
    assert len(str(caught.value)) < 400
    return caught.value.reason


@given(st.lists(st.one_of(st.integers(-(10**30), 10**30), st.floats(-1e38, 1e38)), min_size=1, max_size=20))
def test_a_flat_list_of_numbers_is_a_float32_vector(values: list[float]) -> None:
    array = read_input(values)
    assert (array.shape, array.dtype.name) == ((len(values),), "float32")
    assert np.array_equal(array, np.array(values, np.float64).astype(np.float32))


def test_a_flat_list_of_bytes_is_a_vector_and_no_image() -> None:
    assert read_input([0, 255]).dtype == np.float32
    assert read_input({"data": b"\x00\xff", "shape": [2]}).tolist() == [0.0, 255.0]


def test_integers_in_two_or_three_dimensions_are_an_image() -> None:
    assert read_input([[0, 128], [255, 1]]).tolist() == [[[0, 128], [255, 1]]]
    assert read_input([[[1, 2, 3], [4, 5, 6]]]).tolist() == [[[1, 4]], [[2, 5]], [[3, 6]]]
    assert read_input([[0, 1]]).dtype == np.uint8


def test_floats_in_0_to_1_are_an_image_scaled_with_rounding() -> None:
    assert read_input([[0.0, 1.0, 0.5, 1]]).tolist() == [[[0, 255, 128, 255]]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_gray_level_survives_division_by_255(dtype: str) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    scaled = (levels / 255).astype(dtype)
    assert np.array_equal(read_raw(scaled.tobytes(), shape=(16, 16), dtype=read_dtype(dtype))[0], levels)
    assert np.array_equal(read_input(scaled.tolist())[0], levels)


@pytest.mark.parametrize(
    "value",
    [
        [[0, 256]],
        [[-1, 0]],
        [[10**400, 0]],
        [[0.0, 1.001]],
        [[-0.001, 0.5]],
        [[float("nan"), 0.5]],
        [float("nan")],
        [float("inf")],
        [1e39],
        [10**400],
        [True, 1],
        [[True, False]],
        ["1"],
        [[1, None]],
        [{"a": 1}],
        "12",
        b"12",
        7,
        None,
        True,
    ],
    ids=str,
)
def test_a_value_out_of_range_or_no_number_is_refused(value: object) -> None:
    assert reason_of(value) == "value"


@pytest.mark.parametrize(
    "value",
    [
        [],
        [[]],
        [[[]]],
        [[1], [1, 2]],
        [[1], []],
        [[1], [[1]]],
        [1, [2]],
        [[1, [2]]],
        [[1], 2],
        [[[[1]]]],
        [[[0] * 5]],
        [[[1], [2]], [[3]]],
    ],
    ids=str,
)
def test_a_ragged_empty_or_too_deep_list_is_refused_for_its_shape(value: object) -> None:
    assert reason_of(value) == "shape"


def test_a_deeply_nested_list_is_refused_without_recursion() -> None:
    value: list[Any] = [1]
    for _ in range(100_000):
        value = [value]
    assert reason_of(value) == "shape"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "value"),
        ({"b64": "AAA=", "data": b"00", "shape": [2]}, "value"),
        ({"b64": "A*A=", "shape": [2]}, "value"),
        ({"b64": "AAA", "shape": [2]}, "value"),
        ({"b64": "é", "shape": [2]}, "value"),
        ({"b64": 3, "shape": [2]}, "value"),
        ({"data": b"12"}, "shape"),
        ({"data": b"12", "shape": [3]}, "shape"),
        ({"data": b"12", "shape": [2.0]}, "shape"),
        ({"data": b"12", "shape": [True, 2]}, "shape"),
        ({"data": b"12", "shape": [2**40, 2**40, 2**40]}, "shape"),
        ({"data": b"12", "shape": [2], "dtype": "int8"}, "dtype"),
        ({"data": b"12", "shape": [1], "dtype": "float16"}, "dtype"),
        ({"data": b"12", "shape": [2], "dtype": ["uint8"]}, "dtype"),
        ({"data": bytes(15), "shape": [1, 3, 5]}, "shape"),
        ({"image": "AAAA"}, "image"),
        ({"image": [1]}, "value"),
    ],
    ids=str,
)
def test_a_map_that_contradicts_itself_is_refused(value: object, reason: str) -> None:
    assert reason_of(value) == reason


def test_float64_beyond_float32_is_refused_and_other_float64_is_narrowed() -> None:
    data = base64.b64encode(np.array([1e300]).tobytes()).decode()
    assert reason_of({"b64": data, "shape": [1], "dtype": "float64"}) == "value"
    data = base64.b64encode(np.array([0.1]).tobytes()).decode()
    assert read_input({"b64": data, "shape": [1], "dtype": "float64"}).tolist() == [float(np.float32(0.1))]


def test_the_channel_limit_is_a_setting() -> None:
    data = {"data": bytes(range(5)), "shape": [1, 1, 5]}
    assert read_input(data, limits=Limits(channels=5)).shape == (5, 1, 1)


@pytest.mark.parametrize(
    "text", ["28,28,1", "28x28x1", "[28, 28, 1]", "(28, 28, 1)", " 28 , 28 , 1 ", "28,28,1,"]
)
def test_a_shape_header_is_read_as_people_write_it(text: str) -> None:
    assert read_shape(text) == (28, 28, 1)


@pytest.mark.parametrize(
    "value",
    ["", ",", "28;28", "-1", "1.0", "1e3", "٣", "9" * 65, "9" * 60, None, 28, [], [0], ["28"]],
    ids=str,
)
def test_any_other_shape_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_shape(value)
    assert caught.value.reason == "shape"
