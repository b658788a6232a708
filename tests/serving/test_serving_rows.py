"""POST /v1/examples with many examples of one shape in one body of MessagePack."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import msgpack
import numpy as np
import pytest
import torch

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.rows import MEDIA
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, InProcess

SENT = {"content-type": MEDIA[0]}


def rows(count: int = 3, **more: Any) -> dict[str, Any]:
    """Images of 4x4 at the levels 0, 1, 2, labelled so."""
    images = np.arange(count, dtype=np.uint8)[:, None, None] + np.zeros((1, 4, 4), np.uint8)
    body = {"inputs": images.tobytes(), "shape": [count, 4, 4], "labels": list(range(count))}
    return {key: value for key, value in (body | more).items() if value is not ...}


def push(client: InProcess, body: bytes | dict[str, Any], **headers: str) -> Any:
    content = body if isinstance(body, bytes) else msgpack.packb(body)
    return client.post("/v1/examples", content=content, headers=SENT | headers)


@pytest.mark.parametrize("media", MEDIA)
def test_rows_are_in_the_log_when_the_202_comes(client: InProcess, daemon: FakeDaemon, media: str) -> None:
    labels = ["cat", "3", {"shape": "cube", "hue": 4}]
    body = rows(tasks=["odd", None, "odd"], ids=["a", None, 7], labels=labels)
    answer = client.post("/v1/examples", content=msgpack.packb(body), headers={"content-type": media})
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 3, "duplicates": 0, "position": {"row": 3}}
    assert [example.label for example in daemon.log] == ["cat", 3, {"shape": "cube", "hue": 4}]
    assert [example.task for example in daemon.log] == ["odd", None, "odd"]
    assert [example.id for example in daemon.log] == ["a", None, "7"]
    assert torch.equal(daemon.log[2].input, torch.full((1, 4, 4), 2, dtype=torch.uint8))


def test_a_number_without_a_fraction_is_the_integer_as_in_json(client: InProcess, daemon: FakeDaemon) -> None:
    body = rows(labels=[0.0, {"hue": 4.0}, 2], tasks=[1.0, None, 1], ids=[7.0, None, "8"])
    assert push(client, body).status_code == 202
    found = [(example.label, example.task, example.id) for example in daemon.log]
    assert found == [(0, "1", "7"), ({"hue": 4}, None, None), (2, "1", "8")]


def test_a_body_may_be_compressed(client: InProcess, daemon: FakeDaemon) -> None:
    answer = push(client, gzip.compress(msgpack.packb(rows())), **{"content-encoding": "gzip"})
    assert answer.status_code == 202 and len(daemon.log) == 3


def test_ids_that_were_accepted_before_are_duplicates(client: InProcess) -> None:
    push(client, rows(ids=["a", "b", "c"]))
    answer = push(client, rows(ids=["c", "d", None]))
    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (2, 1)


HOSTILE = [
    (b"", "not MessagePack"),
    (msgpack.packb(rows())[:-5], "not MessagePack"),
    (msgpack.packb(rows()) + b"\x00", "not MessagePack"),
    (b"\xdf\xff\xff\xff\xff", "not MessagePack"),  # a map of four billion entries
    (b"\x81\xa6inputs\xdd\xff\xff\xff\xff", "not MessagePack"),  # a list of as many
    (b"\x81\xa6inputs\xc6\xff\xff\xff\xff", "not MessagePack"),  # four gigabytes
    (b"\x91" * 100_000 + b"\xc0", "not MessagePack"),
    (msgpack.packb([1, 2]), "expected a map with inputs, shape, labels"),
    (msgpack.packb({"inputs": msgpack.ExtType(4, b"x")}), "not MessagePack"),
    (rows(label=[1]), "unknown key str 'label'"),
    (rows(shape=...), '"shape" is missing'),
    (rows(shape=[3, 4]), "48 bytes of inputs; shape [3, 4] of uint8 takes 12"),
    (rows(shape=[3, 4, 4, 4, 4]), "shape is"),
    (rows(shape=[3, 2**31, 2**31]), "one to three positive integers"),
    (rows(shape=[3, 2**30, 2**30]), "takes 3458764513820540928"),
    (rows(shape=[True, 4, 4]), "shape is"),
    (rows(shape=[0, 4, 4], inputs=b"", labels=[]), "0 examples"),
    (rows(shape=[2**62, 4, 4]), "4611686018427387904 examples; expected 1 to 4"),
    (rows(5), "5 examples; expected 1 to 4"),
    (rows(dtype="float16"), "dtype is"),
    (rows(dtype="float32", inputs=np.full(48, 7, "<f4").tobytes()), "inputs[0]: float image holds 7 to 7"),
    (rows(inputs="text"), "inputs are a str; expected bytes"),
    (rows(inputs=bytes(75), shape=[3, 5, 5]), "expected [4, 4] uint8, as the stream began"),
    (rows(shape=[3, 4, 4, 1], labels=[1, 2]), "labels are a list of 2; expected a list of 3"),
    (rows(labels="abc"), "labels are a str; expected a list of 3"),
    (rows(labels=[0, 1.5, 2]), "labels[1]: label is"),
    (rows(labels=[0, 1, {"a": []}]), "labels[2]: "),
    (rows(tasks=["a", "b\n", "c"]), "tasks[1]: task has U+000A"),
    (rows(ids=[None, "x" * 300, "c"]), "ids[1]: id has 300 characters"),
    (rows(ids=["a"]), "ids are a list of 1; expected a list of 3"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "text"), HOSTILE)
def test_what_is_not_valid_refuses_all_and_says_why(
    make_serving: MakeServing, daemon: FakeDaemon, body: bytes | dict[str, Any], text: str
) -> None:
    answer = push(InProcess(make_serving(max_batch=4)), body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]
    assert daemon.log == []


def test_a_body_that_inflates_beyond_the_limit_is_refused(make_serving: MakeServing) -> None:
    client = InProcess(make_serving(max_body_bytes=10_000))
    answer = push(client, zlib.compress(bytes(100_000)), **{"content-encoding": "deflate"})
    assert answer.status_code == 413


def test_a_body_of_another_type_is_refused_and_says_which_are_taken(client: InProcess) -> None:
    answer = client.post("/v1/examples", content=b"a,b", headers={"content-type": "text/csv"})
    assert answer.status_code == 415
    assert answer.json()["error"].endswith("expected application/json or application/vnd.msgpack")


def test_numbers_that_are_not_finite_name_their_row() -> None:
    vectors = np.zeros((3, 2), "<f4")
    vectors[1, 1] = np.nan
    body = {"inputs": vectors.tobytes(), "shape": [3, 2], "dtype": "float32", "labels": [0, 1, 2]}
    with pytest.raises(Exception, match=r"inputs\[1\]: input holds NaN"):
        Codec().decode_rows(msgpack.packb(body), most=10)
