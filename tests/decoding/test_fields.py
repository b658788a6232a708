"""Records as other programs read them: which field is the input, the label, the task, the id."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from io import BytesIO
from typing import Any

import msgpack
import numpy as np
import pytest
from PIL import Image

from streamlearner.app.codec import make_codec
from streamlearner.config.given import load_config
from streamlearner.decoding.codec import Codec, Example
from streamlearner.decoding.fields import Fields
from streamlearner.decoding.inputs import Limits
from streamlearner.decoding.labels import parse_label
from streamlearner.errors import InvalidInput
from streamlearner.stream import Message, Reject

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def message(record: Any, *headers: tuple[str, bytes], packed: bool = False) -> Message:
    value = msgpack.packb(record) if packed else json.dumps(record).encode()
    kind = b"application/msgpack" if packed else b"application/json"
    return Message(value, "t", 0, 0, headers=(("content-type", kind), *headers))


def read(record: Any, fields: Fields, *headers: tuple[str, bytes], packed: bool = False) -> Example:
    batch, rejects = Codec(fields=fields).decode([message(record, *headers, packed=packed)])
    assert rejects == []
    return Example(batch.inputs[0], batch.labels[0], batch.tasks[0], batch.ids[0])


def rejected(record: Any, fields: Fields, *, limits: Limits | None = None) -> Reject:
    codec = Codec(fields=fields) if limits is None else Codec(fields=fields, limits=limits)
    batch, rejects = codec.decode([message(record)])
    assert len(batch) == 0
    return rejects[0]


def test_every_part_of_an_example_may_be_any_field_of_the_record() -> None:
    record = {"meta": {"number": 7, "plant": "north"}, "sensors": [1.5, 2], "state": {"now": "worn"}}
    fields = Fields(input=("sensors",), label="state.now", task="meta.plant", id="meta.number")
    found = read(record, fields)
    assert (found.input.tolist(), *found[1:]) == ([1.5, 2.0], "worn", "north", "7")


def test_several_fields_make_a_feature_vector_in_the_order_of_the_setting() -> None:
    record = {"b": 2, "a": 1, "pair": [3, 4], "on": True, "label": "x"}
    assert read(record, Fields(input=("a", "b", "pair", "on"))).input.tolist() == [1, 2, 3, 4, 1]


def test_one_number_is_a_feature_vector_of_one() -> None:
    assert read({"speed": 3.5, "label": "x"}, Fields(input=("speed",))).input.tolist() == [3.5]


def test_a_field_whose_name_has_a_dot_is_found_by_that_name() -> None:
    assert read({"a.b": [1], "a": {"b": [2]}, "label": "x"}, Fields(input=("a.b",))).input.tolist() == [1]


def test_a_member_of_a_list_is_named_by_its_number() -> None:
    record = {"boxes": [{"kind": "cat"}, {"kind": "dog"}], "input": [1]}
    assert read(record, Fields(label="boxes.1.kind")).label == "dog"


def png() -> bytes:
    file = BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("image", [False, True])
def test_bytes_or_base64_are_an_image_file_or_raw_bytes(packed: bool, image: bool) -> None:
    data = png() if image else PIXELS.tobytes()
    record = {"photo": data if packed else base64.b64encode(data).decode(), "label": 1}
    found = read(record, Fields(input=("photo",), shape=(3, 4)), packed=packed)
    assert np.array_equal(found.input.numpy(), PIXELS[None])


def test_the_record_may_say_the_shape_and_dtype_of_its_bytes() -> None:
    row = np.array([1.5, -2], np.float32)
    record = {"data": row.tobytes(), "shape": [2], "dtype": "float32", "label": 1}
    assert read(record, Fields(input=("data",), shape=(8,)), packed=True).input.tolist() == [1.5, -2]


def test_forms_of_an_input_are_read_as_without_the_setting() -> None:
    forms = [PIXELS.tolist(), {"b64": base64.b64encode(PIXELS.tobytes()).decode(), "shape": [3, 4]}]
    for form in forms:
        found = read({"x": form, "label": 1}, Fields(input=("x",)))
        assert np.array_equal(found.input.numpy(), PIXELS[None])


@pytest.mark.parametrize(
    ("value", "label"),
    [(True, "true"), (False, "false"), (3.0, 3), ("3", 3), ({"wet": True, "hue": None}, {"wet": "true"})],
)
def test_a_label_is_what_a_record_says_of_yes_and_no_and_numbers(value: Any, label: Any) -> None:
    assert read({"input": [1], "fraud": value}, Fields(label="fraud")).label == label


def test_decimals_are_numbers() -> None:
    example = Fields(input=("a", "b")).example(
        {"a": Decimal("1.25"), "b": 1, "label": Decimal(4)}, reason="json"
    )
    assert (example["input"], example["label"]) == ([1.25, 1], 4)


def test_a_decimal_of_more_digits_than_python_divides_by_names_an_example_or_is_refused() -> None:
    long = 10**37 + 1  # as a column of decimal(38, 0) holds
    example = Fields().example({"input": [1], "label": 1, "id": Decimal(long)}, reason="record")
    assert example["id"] == long
    for value in (Decimal(long), Decimal(long) + Decimal("0.5"), Decimal("NaN"), Decimal("Infinity")):
        with pytest.raises(InvalidInput):
            parse_label(Fields().example({"input": [1], "label": value}, reason="record")["label"])


def test_what_the_record_lacks_the_headers_say() -> None:
    found = read({"x": [1]}, Fields(input=("x",), label="y", id="z"), ("label", b"cat"), ("id", b"7"))
    assert found[1:] == ("cat", None, "7")


@pytest.mark.parametrize(
    ("record", "reason", "said"),
    [
        ({"y": [1], "label": 1}, "json", "has no field x; expected the input there"),
        ({"x": None, "label": 1}, "value", "null"),
        ({"x": [1, "a"], "label": 1}, "value", "'x' holds str 'a'; expected numbers"),
        ({"x": [1, None], "label": 1}, "value", "null"),
        ({"x": "no base64", "label": 1}, "value", "x is not base64"),
        ({"x": [1], "label": 1.5}, "label", "float 1.5"),
        ({"x": [1]}, "label", "no label"),
        ({"x": [1], "label": {"hue": None}}, "label", "no label"),
        ([1], "json", "expected a map"),
        ({"x": {"y": 1}, "label": 1}, "value", "expected one of b64, data or image"),
    ],
)
def test_a_record_that_is_no_example_is_rejected_with_the_field(record: Any, reason: str, said: str) -> None:
    reject = rejected(record, Fields(input=("x",)))
    assert reject.reason == reason
    assert said in reject.detail


def test_a_missing_number_may_be_one_of_several_fields_where_any_may_be() -> None:
    fields = Fields(input=("a", "b"))
    record = message({"a": 1, "b": None, "label": 1})
    batch, _ = Codec(fields=fields, limits=Limits(missing=frozenset())).decode([record])
    assert batch.inputs[0, 0] == 1
    assert batch.inputs[0, 1].isnan()
    assert rejected({"a": 1, "b": None, "label": 1}, fields).reason == "value"


def test_an_http_body_keeps_its_own_names() -> None:
    codec = Codec(fields=Fields(input=("x",), label="y"))
    assert codec.decode_example({"input": [1], "label": "a"}).label == "a"
    with pytest.raises(InvalidInput):
        codec.decode_example({"x": [1], "y": "a"})


def test_the_settings_name_the_fields() -> None:
    config = load_config({"codec.fields.input": ["a", "b"], "codec.fields.label": "c"})
    batch, _ = make_codec(config).decode([message({"a": 1, "b": 2, "c": "x"})])
    assert (batch.inputs.tolist(), batch.labels) == ([[1, 2]], ("x",))


def test_settings_of_fields_count_in_the_digest_and_their_defaults_do_not() -> None:
    plain = load_config({}).digest()
    assert load_config({"codec.fields.label": None}).digest() == plain
    assert load_config({"codec.fields.label": "x"}).digest() != plain
