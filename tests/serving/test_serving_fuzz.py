from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from streamlearner.decoding.codec import Codec, Schema
from streamlearner.serving import Access, Ports, Serving
from streamlearner.telemetry.metrics import Metrics
from tests.support.serving_fakes import SHAPE, FakeDaemon, InProcess, picture, tiny_predictor

POSTS = ("/v1/predict", "/v1/examples", "/v1/sleep", "/v1/checkpoint", "/v1/rollback")
GETS = ("/v1/recollections", "/readyz", "/v1/status", "/metrics", "/")
KEYS = (
    "inputs",
    "input",
    "task",
    "return",
    "examples",
    "label",
    "id",
    "version",
    "b64",
    "shape",
    "dtype",
    "image",
)
MEDIA = (
    "application/json",
    "image/png",
    "image/jpeg",
    "image/webp",
    "application/octet-stream",
    "text/plain",
    "",
)

leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just(picture(1)),
    st.sampled_from(["probabilities", "uint8", "float32", "AAAA", "1", "iVBORw0KGgo="]),
    st.lists(st.integers(-1, 300), max_size=17),
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), inner),
    ),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(KEYS), values, max_size=4)
MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture(scope="module", params=["with a schema", "before there is one"])
def anyone(request: pytest.FixtureRequest) -> Iterator[InProcess]:
    codec = Codec(schema=Schema(SHAPE, "uint8")) if request.param == "with a schema" else Codec()
    serving = Serving(
        ports=Ports(host="127.0.0.1", port=0),
        daemon=FakeDaemon(),
        metrics=Metrics(CollectorRegistry()),
        codec=codec,
        access=Access(allowed_hosts=["testserver"]),
    )
    serving.refresh(tiny_predictor(adopted=1, examples=1))
    yield InProcess(serving)
    serving.stop()


def refused_or_done(client: InProcess, path: str, body: bytes, headers: dict[str, str]) -> None:
    answer = client.post(path, content=body, headers=headers)
    assert answer.status_code in (200, 202, 400, 404, 413, 415), answer.text
    if answer.status_code >= 400:
        assert isinstance(answer.json()["error"], str)


@MANY
@given(path=st.sampled_from(POSTS), body=bodies)
def test_no_json_object_makes_it_fail(anyone: InProcess, path: str, body: dict[str, object]) -> None:
    refused_or_done(anyone, path, json.dumps(body).encode(), {"content-type": "application/json"})


@MANY
@given(example=bodies, count=st.integers(0, 3))
def test_no_example_makes_it_fail(anyone: InProcess, example: dict[str, object], count: int) -> None:
    body = json.dumps({"examples": [{"input": picture(1), "label": "a"}] * count + [example]}).encode()
    refused_or_done(anyone, "/v1/examples", body, {"content-type": "application/json"})


@MANY
@given(
    path=st.sampled_from(POSTS),
    body=st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(b"\x89PNG\r\n\x1a\n".__add__)),
    media=st.sampled_from(MEDIA),
    shape=st.one_of(
        st.sampled_from(["4,4", "4x4", "0", "-1", "99999999999,9"]), st.text(alphabet="0123456789,x[]- ")
    ),
    dtype=st.sampled_from(["uint8", "float32", "float64", "<f4", "object", ""]),
)
def test_no_bytes_make_it_fail(
    anyone: InProcess, path: str, body: bytes, media: str, shape: str, dtype: str
) -> None:
    refused_or_done(anyone, path, body, {"content-type": media, "shape": shape, "dtype": dtype})


@MANY
@given(
    path=st.sampled_from(GETS),
    query=st.dictionaries(
        st.sampled_from(["per_class", "format", "label", "exclude", "x"]), st.text(max_size=8), max_size=3
    ),
    accept=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
)
def test_no_query_makes_it_fail(anyone: InProcess, path: str, query: dict[str, str], accept: str) -> None:
    answer = anyone.get(path, params=query, headers={"accept": accept})
    assert answer.status_code in (200, 400, 404), answer.text
