"""The codec at the HTTP edge: the same inputs, errors that name what is wrong and where."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from streamlearner.decoding.codec import Codec, Schema, encode_raw
from streamlearner.errors import InvalidInput
from streamlearner.stream import Message


def test_inputs_of_one_shape_become_one_tensor() -> None:
    codec = Codec()
    tensor = codec.decode_inputs([[[0, 255]], {"data": b"\x01\x02", "shape": [1, 2]}, [[0.0, 1.0]]])
    assert tensor.tolist() == [[[[0, 255]]], [[[1, 2]]], [[[0, 255]]]]
    assert tensor.dtype is torch.uint8
    assert codec.schema is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([[1, 256]], "value"),
        ([1, 2], "schema"),
        ("x", "value"),
        (None, "value"),
        ({"image": "aaa"}, "value"),
        ([[]], "shape"),
    ],
)
def test_the_error_names_the_index_of_the_first_bad_input(bad: object, reason: str) -> None:
    with pytest.raises(InvalidInput, match=r"^inputs\[2\]") as caught:
        Codec().decode_inputs([[[0, 255]], [[3, 4]], bad, "worse"])
    assert caught.value.reason == reason


def test_no_inputs_are_refused_as_empty() -> None:
    with pytest.raises(InvalidInput) as caught:
        Codec().decode_inputs([])
    assert caught.value.reason == "empty"


def test_an_input_of_another_shape_than_the_stream_is_refused() -> None:
    codec = Codec(schema=Schema((2,), "float32"))
    assert codec.decode_input([1, 2.5]).tolist() == [1.0, 2.5]
    for decode in (codec.decode_input, lambda value: codec.decode_inputs([value])):
        with pytest.raises(InvalidInput) as caught:
            decode([1, 2, 3])
        assert caught.value.reason == "schema"


def test_an_image_body_is_one_input() -> None:
    file = BytesIO()
    Image.fromarray(np.array([[1, 2]], np.uint8)).save(file, "PNG")
    assert Codec().decode_image(file.getvalue()).tolist() == [[[1, 2]]]
    with pytest.raises(InvalidInput) as caught:
        Codec(schema=Schema((1, 2, 2), "uint8")).decode_image(file.getvalue())
    assert caught.value.reason == "schema"


def test_an_example_is_validated_as_a_message_would_be() -> None:
    example = Codec().decode_example({"input": [1, 2], "label": "3", "task": 7, "id": "x"})
    assert (example.input.tolist(), example.label, example.task, example.id) == ([1.0, 2.0], 3, "7", "x")
    assert Codec().decode_example({"input": [1], "label": "a"})[1:] == ("a", None, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"input": [1]}, "label"),
        ({"input": [1], "label": True}, "label"),
        ({"input": [True], "label": 1}, "value"),
        ({"label": 1}, "json"),
        ([], "json"),
        (None, "json"),
        ({"input": [1, 2, 3], "label": 1}, "schema"),
    ],
)
def test_an_example_that_the_stream_would_reject_is_refused_before_the_log(body: Any, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Codec(schema=Schema((1,), "float32")).decode_example(body)
    assert caught.value.reason == reason


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", ">f8"])
def test_what_a_producer_encodes_is_what_the_codec_decodes(dtype: str) -> None:
    array = np.arange(6).astype(dtype)[::-1]
    value, headers = encode_raw(array, label="a", id=4, task="t")
    batch, _ = Codec().decode([Message(value, "t", 0, 0, headers=headers)])
    assert batch.inputs.tolist() == [[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]]
    assert (batch.labels, batch.ids, batch.tasks) == (("a",), ("4",), ("t",))


@pytest.mark.parametrize(
    ("array", "label", "reason"),
    [
        (np.zeros(3, np.int64), 1, "dtype"),
        (np.zeros((3, 32, 32), np.uint8), 1, "shape"),
        (np.zeros((0, 3), np.uint8), 1, "shape"),
        (np.full((2, 2), 2.0), 1, "value"),
        (np.array([np.nan]), 1, "value"),
        (np.zeros(3, np.uint8), 1.5, "label"),
    ],
)
def test_a_producer_is_told_at_once_what_the_codec_would_refuse(
    array: np.ndarray[Any, Any], label: object, reason: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        encode_raw(array, label=label)
    assert caught.value.reason == reason
