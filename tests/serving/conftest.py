from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from streamlearner.decoding.codec import Codec, Schema
from streamlearner.serving import Access, Ports, RequestLimits, Serving
from streamlearner.telemetry.metrics import Metrics
from tests.support.lent_connections import Connect
from tests.support.serving_fakes import SHAPE, FakeDaemon, InProcess, tiny_predictor

MakeServing = Callable[..., Serving]
ACCESS, PORTS, LIMITS = ({field.name for field in fields(kind)} for kind in (Access, Ports, RequestLimits))


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def make_serving(daemon: FakeDaemon, metrics: Metrics) -> Iterator[MakeServing]:
    """Makes a Serving that is not started; its threads end with the test. Takes what Access takes, too."""
    made: list[Serving] = []

    def make(**settings: Any) -> Serving:
        given = {name: settings.pop(name) for name in ACCESS & settings.keys()}
        access = Access(**({"allowed_hosts": ["testserver", "x"]} | given))
        settings = {"codec": Codec(schema=Schema(SHAPE, "uint8")), "id_prefix": "run"} | settings
        ports = {"host": "127.0.0.1"} | {name: settings.pop(name) for name in PORTS & settings.keys()}
        limits = {name: settings.pop(name) for name in LIMITS & settings.keys()}
        serving = Serving(
            ports=Ports(port=0, **ports), limits=RequestLimits(**limits), daemon=daemon, metrics=metrics,
            access=access, **settings,
        )  # fmt: skip
        made.append(serving)
        return made[-1]

    yield make
    for serving in made:
        serving.stop()


@pytest.fixture
def serving(make_serving: MakeServing) -> Serving:
    """With a model that has learned."""
    serving = make_serving()
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    return serving


@pytest.fixture
def client(serving: Serving) -> InProcess:
    """In the same process, without a socket. A crash in the application is a 500, as it would be outside."""
    return InProcess(serving)


@pytest.fixture
def wire(serving: Serving) -> Iterator[httpx.Client]:
    """Over real HTTP."""
    serving.start()
    host, port = serving.address
    with httpx.Client(base_url=f"http://{host}:{port}", timeout=10.0, trust_env=False) as client:
        yield client


@pytest.fixture
def connect() -> Iterator[Connect]:
    made: list[http.client.HTTPConnection] = []

    def open_(serving: Serving) -> http.client.HTTPConnection:
        made.append(http.client.HTTPConnection(*serving.address, timeout=30.0))
        return made[-1]

    yield open_
    for one in made:
        one.close()
