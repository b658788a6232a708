"""DELETE /v1/examples: what is asked of the daemon, and when it is answered as done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.conftest import MakeServing
from tests.support.serving_fakes import FakeDaemon, InProcess, picture


def delete(client: InProcess, path: str, body: Any = None) -> Any:
    return client.request("DELETE", path, json=body) if body is not None else client.delete(path)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/examples/photo-17", ("id", "photo-17")),
        ("/v1/examples/17", ("id", "17")),
        ("/v1/examples/a/b%20%C3%A9?source=/shop", ("id", "/shop\na/b é")),
        ("/v1/examples?label=cat", ("label", "cat")),
        ("/v1/examples?label=3", ("label", "3")),
        ("/v1/examples?label=%7B%22kind%22%3A%22mug%22%7D", ("label", '{"kind": "mug"}')),
        ("/v1/examples?task=morning", ("task", "morning")),
    ],
)
def test_what_is_to_be_erased_is_named_by_the_path(
    client: InProcess, daemon: FakeDaemon, path: str, asked: tuple[str, str]
) -> None:
    answer = delete(client, path)
    assert answer.status_code == 200, answer.text
    assert [(each.by, each.name) for each in daemon.asked] == [asked]


def test_the_body_may_be_the_example_itself(client: InProcess, daemon: FakeDaemon) -> None:
    answer = delete(client, "/v1/examples/a", {"input": picture(2), "label": "cat"})
    assert answer.status_code == 200
    (asked,) = daemon.asked
    assert (asked.id, asked.input_label, list(asked.input.shape)) == ("a", "cat", [1, 4, 4])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/examples", None),
        ("/v1/examples?label=cat&task=morning", None),
        ("/v1/examples?label=", None),
        ("/v1/examples/a%00b", None),
        ("/v1/examples/a", {"input": [[1]], "label": "cat"}),
        ("/v1/examples/a", {"label": "cat"}),
        ("/v1/examples/a", {"input": picture(2), "label": "cat", "lable": 1}),
    ],
)
def test_what_is_not_understood_erases_nothing(
    client: InProcess, daemon: FakeDaemon, path: str, body: Any
) -> None:
    answer = delete(client, path, body)
    assert answer.status_code == 400, answer.text
    assert daemon.asked == []


def test_what_is_durable_and_not_yet_carried_out_is_a_202(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.full = True
    assert delete(client, "/v1/examples/a").status_code == 202


def test_what_could_not_be_made_durable_is_a_503(client: InProcess, daemon: FakeDaemon) -> None:
    daemon.stuck = True
    assert delete(client, "/v1/examples/a").status_code == 503
    daemon.stuck, daemon.broken = False, True
    assert "no space left" in delete(client, "/v1/examples/a").json()["error"]


def test_it_needs_the_role_operate(make_serving: MakeServing, daemon: FakeDaemon) -> None:
    with InProcess(make_serving(token="secret")) as client:
        assert delete(client, "/v1/examples/a").status_code == 401
        assert daemon.asked == []
