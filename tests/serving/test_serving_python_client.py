"""`streamlearner.client` and the routes: each call has one, and each kind of problem its exception."""

from __future__ import annotations

import asyncio
import inspect
import typing
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from streamlearner import __version__, answer_models
from streamlearner.client import (
    NO_RETRIES,
    AsyncClient,
    Busy,
    Client,
    Crashed,
    Invalid,
    NotAllowed,
    NotFound,
    NotNow,
    NotReady,
    Refused,
)
from streamlearner.serving import Serving
from tests.serving.conftest import MakeServing
from tests.support import doc_pages
from tests.support.serving_fakes import FakeDaemon, InProcess, exam_of, picture

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "predict": (([picture(1), np.ones((4, 4), np.uint8)],), {"probabilities": True}),
    "push": (([{"input": np.ones((4, 4), np.uint8), "label": "one", "id": "a"}],), {}),
    "push_rows": (
        (np.ones((2, 4, 4), np.uint8), ["one", np.int64(2)]),
        {"ids": ["b", None], "tasks": [None, 3]},
    ),
    "status": ((), {}),
    "retention": ((), {}),
    "memory": ((), {}),
    "recollections": ((), {"per_class": 2, "lists": True}),
    "recollections_picture": ((), {"per_class": 2}),
    "exam": ((2,), {"label": "one"}),
    "confusion": ((), {}),
    "rejects": ((), {}),
    "versions": ((), {}),
    "sleep": ((), {}),
    "checkpoint": ((), {}),
    "rollback": ((2,), {}),
    "transplant": (("mlp",), {"steps": 7}),
    "retrain": ((), {"steps": 7}),
    "erase": (("photo/17",), {"source": "camera", "input": picture(1), "label": "one"}),
    "erase_label": (("one",), {}),
    "erase_task": (("odd",), {}),
    "live": ((), {}),
    "ready": ((), {"exclude": ["source", "learning"]}),
    "metrics": ((), {}),
}
NEEDS_SETTINGS = {"label", "questions", "history"}
"""Answered 409 by a daemon that keeps neither predictions nor history."""


def client_of(serving: Serving, **settings: Any) -> Client:
    return Client("http://testserver", transport=InProcess(serving)._transport, **({"token": ""} | settings))


@pytest.fixture
def asked(serving: Serving, daemon: FakeDaemon) -> Client:
    daemon.shown = [("one", torch.ones(3, 1, 4, 4, dtype=torch.uint8))]
    daemon.withheld = exam_of((1, "one"), (2, "two"), (1, "one"))
    daemon.rejected = {"label": [{"where": "examples[0] at 17", "detail": "no label"}]}
    return client_of(serving)


def test_every_call_is_tried_here() -> None:
    public = {name for name, value in vars(Client).items() if inspect.isfunction(value) and name[0] != "_"}
    assert public - {"close", "send"} == CALLS.keys() | NEEDS_SETTINGS


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_answered(asked: Client, serving: Serving, name: str) -> None:
    arguments, keywords = CALLS[name]
    found = getattr(asked, name)(*arguments, **keywords)

    async def again() -> Any:
        transport = httpx.ASGITransport(serving.application, raise_app_exceptions=False)
        async with AsyncClient("http://testserver", token="", transport=transport) as client:
            return await getattr(client, name)(*arguments, **keywords)

    assert type(asyncio.run(again())) is type(found)
    assert found


def test_calls_that_a_daemon_keeps_nothing_for_are_refused_with_the_reason(asked: Client) -> None:
    for ask, kind in (
        (lambda: asked.label("a-1", 1), "labels-not-kept"),
        (lambda: asked.questions(), "labels-not-kept"),
        (lambda: asked.history(series=["retention"]), "history-not-kept"),
    ):
        with pytest.raises(NotNow) as caught:
            ask()
        assert caught.value.kind == kind


def test_what_was_asked_arrives(asked: Client, daemon: FakeDaemon) -> None:
    asked.rollback(2)
    asked.transplant("mlp", steps=7)
    asked.retrain()
    asked.erase("photo/17", source="camera", input=picture(1), label="one")
    assert daemon.asked[:3] == [("rollback", 2), ("transplant", "mlp", 7), ("transplant", None, None)]
    assert (daemon.asked[3].id, daemon.asked[3].input_label) == ("camera\nphoto/17", "one")
    assert asked.push([{"input": picture(1), "label": {"shape": "round"}}])["accepted"] == 1
    assert daemon.log[0].label == {"shape": "round"}
    assert asked.push_rows(np.full((2, 4, 4), 3, np.uint8), [{"shape": "flat"}, 4])["accepted"] == 2
    assert [example.label for example in daemon.log[1:]] == [{"shape": "flat"}, 4]
    assert torch.equal(daemon.log[2].input, torch.full((1, 4, 4), 3, dtype=torch.uint8))


def test_the_exam_and_the_rejects_are_those_of_the_daemon(asked: Client) -> None:
    assert [example["label"] for example in asked.exam()["examples"]] == ["one", "two", "one"]
    assert [example["label"] for example in asked.exam(1, label="two")["examples"]] == ["two"]
    assert sum(map(sum, asked.confusion()["counts"])) == 3
    assert asked.rejects()["rejects"]["label"][0]["where"] == "examples[0] at 17"


def not_ready(daemon: FakeDaemon) -> None:
    daemon.broken = True


def full(daemon: FakeDaemon) -> None:
    daemon.full = True


def broken(daemon: FakeDaemon) -> None:
    daemon.figures = {"not json": object()}


def nothing(daemon: FakeDaemon) -> None:
    pass


EXAMPLE: Any = [{"input": picture(1), "label": 1}]


@pytest.mark.parametrize(
    ("prepare", "ask", "error", "kind"),
    [
        (nothing, lambda client: client.predict([picture(1, side=5)]), Invalid, "invalid-input"),
        (nothing, lambda client: client.rollback(9), NotFound, "unknown-version"),
        (nothing, lambda client: client.recollections(label="seven"), NotFound, "unknown-class"),
        (full, lambda client: client.push(EXAMPLE), Busy, "backlog-full"),
        (not_ready, lambda client: client.push(EXAMPLE), NotReady, "unavailable"),
        (full, lambda client: client.transplant("mlp"), NotNow, "conflict"),
        (broken, lambda client: client.status(), Crashed, "crash"),
    ],
)
def test_each_kind_of_problem_is_an_exception_of_its_own(
    serving: Serving,
    daemon: FakeDaemon,
    prepare: Callable[[FakeDaemon], None],
    ask: Callable[[Client], Any],
    error: type[Refused],
    kind: str,
) -> None:
    prepare(daemon)
    with pytest.raises(error) as caught:
        ask(client_of(serving, retries=NO_RETRIES))
    assert caught.value.kind == kind
    assert caught.value.detail in str(caught.value)
    assert caught.value.title and caught.value.document["status"] == caught.value.status


def test_what_a_problem_knows_more_goes_with_its_exception(serving: Serving, daemon: FakeDaemon) -> None:
    client = client_of(serving, retries=NO_RETRIES)
    with pytest.raises(Invalid) as invalid:
        client.predict([picture(1, side=5)])
    assert invalid.value.reason == "schema"
    full(daemon)
    with pytest.raises(Busy) as busy:
        client.push(EXAMPLE)
    assert busy.value.retry_after_s == 3.0
    broken(daemon)
    with pytest.raises(Crashed) as crashed:
        client.status()
    assert str(crashed.value.instance).startswith("urn:uuid:")


def test_a_token_is_needed_where_the_daemon_has_one(make_serving: MakeServing) -> None:
    serving = make_serving(token="schlüssel")
    assert client_of(serving, token="schlüssel").status()["model_version"] == "0.7"
    for token, kind in (("", "token-missing"), ("guess", "token-wrong")):
        with pytest.raises(NotAllowed, match="--token") as caught:
            client_of(serving, token=token).status()
        assert caught.value.kind == kind


def test_a_daemon_that_is_not_ready_says_why_and_that_is_no_error(make_serving: MakeServing) -> None:
    found = client_of(make_serving()).ready(exclude=["learning"])
    assert (found["ready"], list(found["reasons"])) == (False, ["model"])


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/status", answer_models.StatusDocument),
        ("/v1/retention", answer_models.RetentionDocument),
        ("/v1/memory", answer_models.MemoryDocument),
    ],
)
def test_what_is_typed_is_what_the_page_names(path: str, model: Any) -> None:
    page = (doc_pages.ROOT / "docs" / "reference" / "http.md").read_text()
    rows = page.split(f"\n`GET {path}`", 1)[1].split("\n\n", 2)[1].splitlines()
    named = {key.strip().strip("`") for row in rows[2:] for key in row.split("|")[1].split(",")}
    typed = typing.get_type_hints(model, include_extras=True)
    always = {key for key, kind in typed.items() if typing.get_origin(kind) is not typing.NotRequired}
    assert always == named  # the rest is of daemons of another kind


def test_the_description_has_the_true_version(client: InProcess) -> None:
    assert client.get("/openapi.json").json()["info"]["version"] == __version__
