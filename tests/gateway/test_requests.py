"""What the gateway takes for plain, and that it reads it as the daemon does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.inputs import DEFAULT_LIMITS, Limits
from streamlearner.decoding.labels import parse_text
from streamlearner.gateway.frames import Frames, Group, Reply, Told, packed
from streamlearner.gateway.requests import Rules, answer, answer_headers, read_body, read_head
from streamlearner.serving.bodies import PredictBody, parse

RULES = Rules(max_bytes=10_000, max_batch=3, limits=DEFAULT_LIMITS)
LINES = [b"POST /v1/predict HTTP/1.1", b"Host: x:80", b"Content-Length: 12"]
PICTURE = [[1, 2], [3, 4]]


def head(*more: bytes, without: bytes = b"nothing") -> bytes:
    return b"\r\n".join([*(line for line in LINES if not line.startswith(without)), *more])


@pytest.mark.parametrize(
    "more",
    [
        [],
        [b"Content-Type: application/json; charset=utf-8", b"Connection: Keep-Alive", b"Accept: */*"],
        [b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"Cookie: a", b"Cookie: b"],
    ],
)
def test_a_head_as_clients_send_it_is_plain(more: list[bytes]) -> None:
    assert read_head(head(*more), RULES) == (12, b"x:80", "")


def test_the_head_says_who_asks() -> None:
    found = read_head(head(b"Authorization: Bearer s3cret"), RULES)
    assert found is not None and found.authorization == "Bearer s3cret"


@pytest.mark.parametrize(
    "unusual",
    [
        head(b"Transfer-Encoding: chunked"),
        head(b"Content-Encoding: gzip"),
        head(b"Expect: 100-continue"),
        head(b"Origin: http://elsewhere"),
        head(b"X-Forwarded-For: 10.0.0.1"),
        head(b"Connection: close"),
        head(b"Connection: keep-alive, upgrade"),
        head(b"Content-Type: image/png"),
        head(b"Content-Length: 12"),
        head(b"Host: y"),
        head(b"Authorization: Bearer a", b"authorization: Bearer b"),
        head(b"a line without a colon"),
        head(b" folded: yes"),
        head(b"na me: x"),
        head(b"bell: \x07"),
        head(without=b"Host"),
        head(without=b"Content-Length"),
        head(b"content-length: 10001", without=b"Content-Length"),
        head(b"content-length: +5", without=b"Content-Length"),
        head(b"content-length: 1_0", without=b"Content-Length"),
        head().replace(b"POST", b"GET"),
        head().replace(b"HTTP/1.1", b"HTTP/1.0"),
        head().replace(b"/v1/predict", b"/v1/predict?task=a"),
        head().replace(b"/v1/predict", b"/v2/models/streamlearner/infer"),
        b"",
    ],
)
def test_whatever_means_more_is_left_to_the_daemon(unusual: bytes) -> None:
    assert read_head(unusual, RULES) is None


NUMBERS = st.integers(-1, 256) | st.floats(width=32) | st.floats(0, 1)
ROWS = st.lists(NUMBERS, min_size=1, max_size=3)
INPUTS = ROWS | st.lists(ROWS, min_size=1, max_size=3) | st.none() | st.text(max_size=3)
RAW = st.fixed_dictionaries({"b64": st.just("AAEC"), "shape": st.just([3, 1]), "dtype": st.just("uint8")})
BODIES = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS | RAW, max_size=4)},
    optional={
        "task": st.none() | st.text(max_size=3) | st.integers() | st.booleans(),
        "return": st.lists(st.just("probabilities"), max_size=2) | st.none(),
        "more": st.none(),
    },
)


def by_the_daemon(body: bytes, limits: Limits) -> tuple[Any, Any, bool]:
    query = parse(PredictBody, body)
    inputs = Codec(limits=limits).decode_inputs(query.inputs)
    task = None if query.task is None else parse_text(query.task, "task")
    return inputs.numpy(), task, bool(query.returns)


@given(BODIES, st.booleans())
def test_what_it_reads_it_reads_as_the_daemon_does(body: dict[str, Any], may_miss: bool) -> None:
    limits = Limits(missing=frozenset({-1.0})) if may_miss else DEFAULT_LIMITS
    text = json.dumps(body).encode()
    found = read_body(text, Rules(10_000, 3, limits))
    if found is not None:
        inputs, task, probabilities = by_the_daemon(text, limits)
        assert found.inputs.dtype == inputs.dtype and found.inputs.flags.c_contiguous
        np.testing.assert_array_equal(found.inputs, inputs)
        assert (found.task, found.probabilities) == (task, probabilities)


@pytest.mark.parametrize("inputs", [[PICTURE], [PICTURE] * 3, [[0.5, 1e-3]], [[[[1, 2, 3]]]]])
@pytest.mark.parametrize("more", [{}, {"task": "odd"}, {"task": 3}, {"return": ["probabilities"]}])
def test_plain_bodies_are_read(inputs: list[Any], more: dict[str, Any]) -> None:
    found = read_body(json.dumps({"inputs": inputs} | more).encode(), RULES)
    assert found is not None and len(found.inputs) == len(inputs)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"inputs": []}', b'{"inputs": [[NaN]]}', b'{"inputs": [[1e39]]}',
     b'{"inputs": [[[256]]]}', b'{"inputs": [[1], [1, 2]]}', b'{"inputs": [[1], [1], [1], [1]]}',
     b'{"inputs": [[1]], "tasks": 1}', b'{"inputs": [[1]], "task": 1.5}', b'{"inputs": [[1]], "task": true}',
     b'{"inputs": [[1]], "task": 18446744073709551616}', b'{"inputs": [[1]], "task": ""}',
     b'{"inputs": [[1]], "return": null}', b'{"inputs": [{"image": "AAAA"}]}'],
)  # fmt: skip
def test_what_is_refused_or_special_is_left_to_the_daemon(body: bytes) -> None:
    assert read_body(body, RULES) is None


def test_an_answer_is_ascii_json_behind_its_length() -> None:
    told = Told("run-1", [("kätzchen\ud800", 0.25, {1: 0.5}), (2, 0.5, None)])
    text = answer(Reply("3.1", "fast", [told]), told, answer_headers([("x-a", "b")]))
    before, _, body = text.partition(b"\r\n\r\n")
    content = json.loads(body.decode("ascii"))
    assert content["predictions"][0] == {
        "label": "kätzchen\ud800", "probability": 0.25, "route": "fast", "prediction_id": "run-1.0",
        "probabilities": {"1": 0.5},
    }  # fmt: skip
    assert content["predictions"][1].keys() == {"label", "probability", "route", "prediction_id"}
    assert (content["model_version"], content["prediction_id"]) == ("3.1", "run-1")
    lines = before.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK" and b"x-a: b" in lines
    assert lines[-1] == b"content-length: %d" % len(body)


@given(st.lists(st.integers(1, 9)))
def test_messages_come_whole_in_whatever_pieces(sizes: list[int]) -> None:
    group = Group((2,), "float32", "\ud800", False, b"abcdefgh", [])
    sent = packed([1, [group]]) + packed([2, []])
    frames, found, at = Frames(), [], 0
    for size in [*sizes, len(sent)]:
        found += list(frames.feed(sent[at : at + size]))
        at += size
    assert found == [[1, [[[2], "float32", "\ud800", False, b"abcdefgh", []]]], [2, []]]


def test_its_process_has_no_torch() -> None:
    program = "import sys, streamlearner.gateway.main; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
