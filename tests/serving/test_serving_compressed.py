"""Compressed request bodies: inflated within the limit of a body, refused where they cannot be."""

from __future__ import annotations

import gzip
import json
import random
import zlib

import pytest

from streamlearner.serving.compressed import MOST_MEMBERS, inflated
from streamlearner.serving.problems import Problem
from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, InProcess, picture, tiny_predictor

BODY = json.dumps({"examples": [{"input": picture(1), "label": 1}]}).encode()
WRITTEN = {"gzip": gzip.compress(BODY), "x-gzip": gzip.compress(BODY), "deflate": zlib.compress(BODY)}


def sent(client: InProcess, body: bytes, coding: str, path: str = "/v1/examples") -> tuple[int, str]:
    headers = {"content-type": "application/json", "content-encoding": coding}
    answer = client.post(path, content=body, headers=headers)
    return answer.status_code, answer.text


@pytest.mark.parametrize("coding", [*WRITTEN, "GZIP", "identity", "gzip, identity"])
def test_a_compressed_body_is_what_it_was(client: InProcess, daemon: FakeDaemon, coding: str) -> None:
    body = BODY if coding == "identity" else WRITTEN.get(coding, WRITTEN["gzip"])
    assert sent(client, body, coding)[0] == 202
    assert [example.label for example in daemon.log] == [1]


def test_a_prediction_takes_one_too(client: InProcess) -> None:
    body = gzip.compress(json.dumps({"inputs": [picture(1)]}).encode())
    assert sent(client, body, "gzip", "/v1/predict")[0] == 200


def test_a_bomb_is_never_inflated_beyond_the_limit(make_serving: MakeServing) -> None:
    serving = make_serving(max_body_bytes=100_000)
    serving.refresh(tiny_predictor())
    status, said = sent(InProcess(serving), gzip.compress(bytes(50_000_000)), "gzip")
    assert (status, "once inflated; expected at most 100000 (serving.max_body_bytes)" in said) == (413, True)


@pytest.mark.parametrize("size", [1, 7, 40_000])
def test_gzip_may_come_in_several_members(size: int) -> None:
    """As `cat a.gz b.gz`, pigz and bgzip write it, empty members among them."""
    body = random.Random(1).randbytes(100_000 if size > 100 else 100 * size)
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    written = b"".join(map(gzip.compress, [b"", *parts, b""]))
    assert inflated(written, "gzip", max_bytes=len(body)) == body
    with pytest.raises(Problem, match=f"more than {len(body) - 1} bytes"):
        inflated(written, "gzip", max_bytes=len(body) - 1)
    with pytest.raises(Problem, match="ends too early"):
        inflated(written[:-3], "gzip", max_bytes=len(body))


def test_what_several_members_cost_is_bounded() -> None:
    empty = gzip.compress(b"")
    assert inflated(empty * MOST_MEMBERS, "gzip", max_bytes=10) == b""
    with pytest.raises(Problem, match=f"more than {MOST_MEMBERS} members"):
        inflated(empty * (MOST_MEMBERS + 1), "gzip", max_bytes=10)
    with pytest.raises(Problem, match="followed by other bytes"):  # only gzip has members
        inflated(zlib.compress(b"a") * 2, "deflate", max_bytes=10)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress", "\x7f"])
def test_another_coding_is_415_and_told_which_are_read(client: InProcess, coding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": coding}
    answer = client.post("/v1/examples", content=BODY, headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, deflate")
    assert "expected one of gzip, deflate" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (BODY, "is not gzip"),
        (gzip.compress(BODY)[:-9], "ends too early"),
        (gzip.compress(BODY) + b"x", "is followed by other bytes"),
    ],
    ids=["plain", "cut", "longer"],  # a gzip header has the time
)
def test_a_body_that_is_not_what_it_says_is_400(client: InProcess, body: bytes, said: str) -> None:
    status, text = sent(client, body, "gzip")
    assert (status, said in text) == (400, True)
