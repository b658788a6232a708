"""What stands for a missing number becomes NaN, in every form of a vector; all else is refused as ever."""

from __future__ import annotations

import json
import math
from typing import Any

import msgpack
import numpy as np
import pytest

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.headers import encode_raw
from streamlearner.decoding.inputs import Limits, read_array, read_input, read_raw
from streamlearner.errors import InvalidInput
from streamlearner.stream import Message

NAN = math.nan
MISSING = Limits(missing=frozenset({-999.0, 1e20, 1e300}))


def floats(*values: float, dtype: str) -> Any:
    return np.array(values, dtype)


@pytest.mark.parametrize(
    "array",
    [
        read_input([1.0, -999, 3, None], limits=MISSING),
        read_input([1.0, 1e20, 3, NAN], limits=MISSING),
        read_input([1.0, 1e300, 3, float(np.float32(1e20))], limits=MISSING),
        read_array(floats(1, 1e20, 3, NAN, dtype="float32"), limits=MISSING),
        read_array(floats(1, 1e300, 3, NAN, dtype="float64"), limits=MISSING),
        read_array(np.array([1, -999, 3, -999]), limits=MISSING),
        read_raw(
            floats(1, NAN, 3, -999, dtype="<f4").tobytes(), shape=(4,), dtype=np.dtype("<f4"), limits=MISSING
        ),
    ],
)
def test_what_stands_for_a_missing_number_is_nan(array: Any) -> None:
    assert array.dtype == np.float32
    assert np.array_equal(array, floats(1, NAN, 3, NAN, dtype="float32"), equal_nan=True)


@pytest.mark.parametrize("value", [[1.0, math.inf], [1.0, 1e200], [1.0, "nan"], [None, True], [[1, None]]])
def test_what_is_no_missing_number_is_refused_as_ever(value: list[Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_input(value, limits=MISSING)
    assert refused.value.reason == "value"


@pytest.mark.parametrize("value", [[1.0, None], [1.0, NAN]])
def test_where_nothing_may_be_missing_nothing_is(value: list[Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_input(value)
    assert refused.value.reason == "value"
    assert read_input([1.0, -999.0]).tolist() == [1.0, -999.0]


def test_images_miss_nothing() -> None:
    with pytest.raises(InvalidInput):
        read_array(np.full((2, 2), NAN), limits=MISSING)
    assert read_array(np.zeros((2, 2), np.uint8), limits=Limits(missing=frozenset({0.0}))).tolist() == [
        [[0, 0], [0, 0]]
    ]


def test_json_and_messagepack_and_raw_messages_may_miss_numbers() -> None:
    body = {"input": [1.0, None], "label": "a"}
    bodies = [
        Message(json.dumps(body).encode(), "t", 0, 0, headers=(("content-type", b"application/json"),)),
        Message(msgpack.packb(body), "t", 0, 1, headers=(("content-type", b"application/msgpack"),)),
    ]
    value, headers = encode_raw(floats(1, NAN, dtype="float32"), label="a", missing=True)
    batch, rejects = Codec(limits=MISSING).decode([*bodies, Message(value, "t", 0, 2, headers=headers)])
    assert rejects == [] and batch.inputs.isnan().tolist() == [[False, True]] * 3


def test_a_producer_says_so_where_it_sends_nan() -> None:
    with pytest.raises(InvalidInput, match="NaN"):
        encode_raw(floats(1, NAN, dtype="float32"), label="a")
