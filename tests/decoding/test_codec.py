"""The codec: each wire format to the same example, each rule for what is refused."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from streamlearner.decoding.batch import Batch
from streamlearner.decoding.codec import REASONS, Codec, Schema, encode_raw
from streamlearner.errors import ConfigError
from streamlearner.stream import Message, Reject

IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
CHANNEL_FIRST = torch.from_numpy(IMAGE.transpose(2, 0, 1).copy())
IMAGES = arrays(np.uint8, array_shapes(min_dims=2, max_dims=3, max_side=4))
VECTORS = arrays(
    np.float32, st.integers(1, 9), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
)


def message(value: bytes | None, offset: int = 0, /, **headers: str | bytes) -> Message:
    """Keywords are headers; `_` stands for `-` in content_type only."""
    named = {("content-type" if name == "content_type" else name): text for name, text in headers.items()}
    encoded = tuple(
        (name, text if isinstance(text, bytes) else text.encode()) for name, text in named.items()
    )
    return Message(value, "t", 0, offset, headers=encoded)


def json_message(body: Any, **headers: str | bytes) -> Message:
    return message(json.dumps(body).encode(), content_type="application/json", **headers)


def raw_message(array: np.ndarray[Any, Any] = IMAGE, offset: int = 0, label: object = 1) -> Message:
    value, headers = encode_raw(array, label=label)
    return Message(value, "t", 0, offset, headers=headers)


def one(record: Message, codec: Codec | None = None) -> Batch:
    batch, rejects = (codec or Codec()).decode([record])
    assert [reject.detail for reject in rejects] == []
    assert len(batch) == 1
    return batch


def rejected(record: Message, codec: Codec | None = None) -> Reject:
    batch, rejects = (codec or Codec()).decode([record])
    assert (len(batch), len(rejects)) == (0, 1)
    assert rejects[0].message is record
    assert rejects[0].reason in REASONS
    assert len(rejects[0].detail) < 400
    return rejects[0]


def outside(array: np.ndarray[Any, Any]) -> torch.Tensor:
    """What an array HxW, HxWxC or d is inside."""
    if array.ndim == 1:
        return torch.from_numpy(array.astype(np.float32))
    return torch.from_numpy(np.atleast_3d(array).transpose(2, 0, 1).copy())


def png(array: np.ndarray[Any, Any]) -> bytes:
    file = BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


@given(st.one_of(IMAGES, VECTORS), st.one_of(st.integers(-9, 9), st.sampled_from(["cat", "03"])))
def test_every_format_carries_the_same_example(array: np.ndarray[Any, Any], label: str | int) -> None:
    shaped = {"shape": list(array.shape), "dtype": array.dtype.name}
    b64 = base64.b64encode(array.tobytes()).decode()
    packed = {"input": {"data": array.tobytes(), **shaped}, "label": label, "id": "i", "task": "t"}
    messages = [
        Message(*_raw(array, label)),
        json_message({"input": array.tolist(), "label": label, "id": "i", "task": "t"}),
        json_message({"input": {"b64": b64, **shaped}, "label": label, "id": "i"}, task="t"),
        json_message({"input": array.tolist()}, ce_label=str(label), ce_id="i", ce_task="t"),
        message(msgpack.packb(packed), content_type="application/msgpack"),
        message(msgpack.packb({**packed, "input": array.tolist()}), content_type="application/x-msgpack"),
    ]
    codec = Codec()
    batch, rejects = codec.decode(messages)
    assert [reject.detail for reject in rejects] == []
    assert torch.equal(batch.inputs, outside(array).expand_as(batch.inputs))
    assert codec.schema == Schema(tuple(batch.inputs.shape[1:]), "float32" if array.ndim == 1 else "uint8")
    assert batch.inputs.is_contiguous()
    assert (set(batch.labels), set(batch.ids), set(batch.tasks)) == ({label}, {"i"}, {"t"})
    assert list(batch.messages) == messages


def _raw(
    array: np.ndarray[Any, Any], label: object
) -> tuple[bytes, str, int, int, None, tuple[tuple[str, bytes], ...]]:
    value, headers = encode_raw(array, label=label, id="i", task="t")
    return value, "t", 0, 0, None, headers


@pytest.mark.parametrize("array", [IMAGE, IMAGE[:, :, 0]])
def test_a_png_carries_the_same_example_in_all_three_wrappings(array: np.ndarray[Any, Any]) -> None:
    data = png(array)
    wrapped = {"input": {"image": base64.b64encode(data).decode()}, "label": 2}
    for record in (
        message(data, content_type="image/png", label="2"),
        message(data, content_type="image/jpeg; q=1", ce_label="2"),
        json_message(wrapped),
        message(msgpack.packb({"input": {"image": data}, "label": 2}), content_type="application/msgpack"),
    ):
        batch = one(record)
        assert torch.equal(batch.inputs[0], outside(array))
        assert batch.labels == (2,)


def test_cloudevents_headers_are_the_same_attributes() -> None:
    record = message(
        b"\x01\x02", ce_shape="1,2", ce_dtype="uint8", ce_label="x", ce_id="e", ce_type="anything"
    )
    batch = one(record)
    assert batch.inputs.tolist() == [[[[1, 2]]]]
    assert (batch.labels, batch.ids, batch.tasks) == (("x",), ("e",), (None,))
    assert one(json_message({"input": [1, 2]}, ce_datacontenttype="application/json", label="x")).labels == (
        "x",
    )


def test_header_names_are_not_case_sensitive_and_content_types_neither() -> None:
    headers = (("Content-Type", b"Application/JSON; charset=utf-8"), ("Label", b"3"))
    assert one(Message(b'{"input": [1]}', "t", 0, 0, headers=headers)).labels == (3,)


def test_without_a_dtype_header_raw_bytes_are_uint8() -> None:
    assert one(message(b"\x01\x02", shape="1,2", label="x")).inputs.dtype is torch.uint8


def test_the_label_in_the_body_comes_before_the_one_in_the_header() -> None:
    assert one(json_message({"input": [1], "label": "body"}, label="header")).labels == ("body",)
    assert one(json_message({"input": [1], "label": None}, label="header")).labels == ("header",)


def test_3_is_the_same_class_in_a_header_in_json_as_text_and_as_number() -> None:
    labels = [one(json_message({"input": [1], "label": label})).labels[0] for label in (3, "3")]
    assert [*labels, one(json_message({"input": [1]}, label="3")).labels[0]] == [3, 3, 3]


def test_json_may_begin_with_the_mark_that_files_of_windows_begin_with() -> None:
    kind = (("content-type", b"application/json"),)
    value = "\ufeff".encode() + b'{"input": [1, 2], "label": "a"}'
    batch, rejects = Codec().decode([Message(value, "t", 0, 0, headers=kind)])
    assert (batch.labels, rejects) == (("a",), [])
    doubled = Message("\ufeff".encode() + value, "t", 0, 0, headers=kind)
    assert [reject.reason for reject in Codec().decode([doubled])[1]] == ["json"]


def test_hxw_and_hxwx1_are_one_schema() -> None:
    codec = Codec()
    assert one(raw_message(IMAGE[:, :, 0]), codec).inputs.shape == (1, 1, 4, 5)
    assert one(raw_message(IMAGE[:, :, :1]), codec).inputs.shape == (1, 1, 4, 5)


def test_the_first_good_example_fixes_the_schema_and_a_bad_one_does_not() -> None:
    codec = Codec()
    rejected(json_message({"input": [1, 2, 3], "label": True}), codec)
    assert codec.schema is None
    one(raw_message(), codec)
    assert codec.schema == Schema((3, 4, 5), "uint8")


@pytest.mark.parametrize(
    "other", [IMAGE[:, :, 0], IMAGE.reshape(5, 4, 3), IMAGE.reshape(-1), IMAGE.reshape(12, 5)]
)
def test_another_shape_is_rejected_and_never_reshaped(other: np.ndarray[Any, Any]) -> None:
    reject = rejected(raw_message(other), Codec(schema=Schema((3, 4, 5), "uint8")))
    assert reject.reason == "schema"
    assert "expected [4, 5, 3] uint8" in reject.detail


def test_a_restored_schema_holds_as_the_first_example_did() -> None:
    codec = Codec()
    codec.schema = Schema.restore(json.loads(json.dumps(Schema((2,), "float32").state())))
    assert rejected(raw_message(), codec).reason == "schema"
    assert one(json_message({"input": [1, 2], "label": 0}), codec).inputs.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("shape", "dtype"), [((28, 28), "uint8"), ((0,), "float32"), ((3, 4, 5), "float32"), ((4,), "int64")]
)
def test_a_schema_that_no_input_can_have_is_a_configuration_error(shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Schema(shape, dtype)


def test_a_tombstone_is_neither_an_example_nor_a_reject() -> None:
    batch, rejects = Codec().decode([message(None), raw_message(offset=1), message(None, 2)])
    assert ([record.offset for record in batch.messages], rejects) == ([1], [])


def test_a_batch_without_examples_has_no_rows_of_the_schema() -> None:
    assert Codec().decode([])[0].inputs.shape == (0, 0)
    batch, _ = Codec(schema=Schema((3, 4, 5), "uint8")).decode([message(b"")])
    assert (len(batch), batch.inputs.shape, batch.inputs.dtype) == (0, (0, 3, 4, 5), torch.uint8)


def test_good_examples_and_rejects_keep_the_order_of_the_stream() -> None:
    records = [raw_message(offset=n, label=n) if n % 3 else message(b"x", n) for n in range(20)]
    batch, rejects = Codec().decode(records)
    assert batch.labels == tuple(n for n in range(20) if n % 3)
    assert [reject.message.offset for reject in rejects] == [n for n in range(20) if not n % 3]


def test_a_batch_does_not_alias_the_bytes_of_its_messages() -> None:
    record = raw_message()
    one(record).inputs.zero_()
    assert record.value == IMAGE.tobytes()


def test_a_cloud_event_is_known_again_by_source_and_id_together() -> None:
    def ids(**headers: str) -> tuple[str | None, ...]:
        return one(message(b"\x01", shape="1,1", label="x", **headers)).ids

    first, other = ids(ce_id="1", ce_source="/a"), ids(ce_id="1", ce_source="/b")
    assert first != other
    assert first == ids(ce_id="1", ce_source="/a") == ids(CE_ID="1", Ce_Source="/a")
    assert ids(ce_id="1") == ids(id="1") == ids(id="1", ce_source="/a") == ("1",)
    assert ids(ce_id="b", ce_source="a") != ids(ce_id="ab", ce_source="")


def test_a_label_or_the_headers_of_an_example_without_a_value_are_no_tombstone() -> None:
    keyed = Message(None, "t", 0, 0, key=b"k", headers=(("content-type", b"image/png"), ("ce_id", b"1")))
    assert Codec().decode([keyed])[1] == []
    for record in (message(None, label="1"), message(None, content_type="image/png")):
        assert rejected(record).reason == "empty"
        assert rejected(record).detail == "value is null; expected an example"


def test_a_body_keeps_its_own_id_whatever_event_brings_it() -> None:
    record = json_message({"input": [1], "label": 1, "id": "mine"}, ce_id="1", ce_source="/a")
    assert one(record).ids == ("mine",)
