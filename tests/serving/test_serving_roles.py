"""Which role may use which route: a table of all roles against all routes, which names every route."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from streamlearner.serving import Role, Serving
from streamlearner.serving.routes import OPEN, Routes, check_declared, role_of
from tests.serving.conftest import MakeServing
from tests.support.problems import problem
from tests.support.serving_fakes import FakeDaemon, InProcess, picture, tiny_predictor

ROUTES = {
    "POST /v1/predict": Role.PREDICT,
    "POST /v1/examples": Role.TEACH,
    "POST /v1/labels": Role.TEACH,
    "GET /v1/questions": Role.TEACH,
    "POST /v1/label-studio": Role.TEACH,
    "GET /v1/status": Role.READ,
    "GET /v1/retention": Role.READ,
    "GET /v1/memory": Role.READ,
    "GET /v1/recollections": Role.READ,
    "GET /v1/history": Role.READ,
    "GET /v1/exam": Role.READ,
    "GET /v1/confusion": Role.READ,
    "GET /v1/rejects": Role.READ,
    "GET /v1/versions": Role.READ,
    "GET /metrics": Role.READ,
    "POST /v1/sleep": Role.OPERATE,
    "POST /v1/checkpoint": Role.OPERATE,
    "POST /v1/rollback": Role.OPERATE,
    "POST /v1/transplant": Role.OPERATE,
    "POST /v1/retrain": Role.OPERATE,
    "DELETE /v1/examples": Role.OPERATE,
    "DELETE /v1/examples/{id:path}": Role.OPERATE,
    "GET /v2": Role.READ,
    "GET /v2/models/{model}": Role.READ,
    "GET /v2/models/{model}/versions/{version}": Role.READ,
    "POST /v2/repository/index": Role.READ,
    "POST /v2/models/{model}/infer": Role.PREDICT,
    "POST /v2/models/{model}/versions/{version}/infer": Role.PREDICT,
    "GET /v2/health/live": OPEN,
    "GET /v2/health/ready": OPEN,
    "GET /v2/models/{model}/ready": OPEN,
    "GET /v2/models/{model}/versions/{version}/ready": OPEN,
    "GET /livez": OPEN,
    "GET /readyz": OPEN,
    "GET /openapi.json": OPEN,
    "GET /": OPEN,
    "GET /questions": OPEN,
    "GET /dashboard/{file}": OPEN,
}
INFER = {"inputs": [{"name": "input", "shape": [1, 4, 4], "datatype": "UINT8", "data": picture(1)}]}
BODIES = {
    "/v2/models/streamlearner/infer": INFER,
    "/v2/models/streamlearner/versions/3/infer": INFER,
    "/v1/predict": {"inputs": [picture(1)]},
    "/v1/examples": {"examples": [{"input": picture(1), "label": "one"}]},
    "/v1/labels": {"prediction_id": "a", "label": "one"},
    "/v1/label-studio": {"action": "TASKS_CREATED"},
    "/v1/transplant": {"to": "mlp"},
}
OTHERWISE = {
    "POST /v1/labels": 409,
    "POST /v1/label-studio": 409,
    "GET /v1/questions": 409,
    "GET /v1/history": 409,
}
"""What a route answers here to who may use it, where that is no success: no predictions, no history."""
QUERIES = {"DELETE /v1/examples": "?label=one"}
PARAMETERS = {"id:path": "a", "file": "main.js", "model": "streamlearner", "version": "3", "id": "a"}
"""What stands in a path for its `{parameter}`."""


@pytest.fixture
def files(tmp_path: Path) -> dict[Role, list[Path]]:
    """For each role a file of two tokens, `ROLE-1` and `ROLE-2`."""
    found = {}
    for role in Role:
        path = tmp_path / role
        path.write_text(f"# for tests\n{role}-1\n\n  {role}-2\n")
        found[role] = [path]
    return found


@pytest.fixture
def guarded(make_serving: MakeServing, files: dict[Role, list[Path]]) -> Serving:
    serving = make_serving(token_files=files)
    serving.refresh(tiny_predictor(adopted=3, examples=1200))
    return serving


def routes_of(serving: Serving) -> Iterator[tuple[str, Route]]:
    """Method and path of each, but HEAD, which a GET brings with it."""
    for route in serving.application.routes:
        assert isinstance(route, Route)
        yield from ((f"{method} {route.path}", route) for method in (route.methods or set()) - {"HEAD"})


def asked(client: InProcess, route: str, token: str | None) -> int:
    method, path = route.split(" ")
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    for name, value in PARAMETERS.items():
        path = path.replace(f"{{{name}}}", value)
    body = BODIES.get(path) if method == "POST" else None
    return client.request(method, path + QUERIES.get(route, ""), json=body, headers=headers).status_code


def test_the_table_names_every_route_and_each_declares_its_role(guarded: Serving) -> None:
    assert {name: role_of(route) for name, route in routes_of(guarded)} == ROUTES


def test_a_head_needs_the_role_of_its_get(guarded: Serving) -> None:
    heads = [route for route in guarded.application.routes if "HEAD" in route.methods]  # type: ignore[attr-defined]
    assert {route.path: role_of(route) for route in heads} == {  # type: ignore[attr-defined]
        name.partition(" ")[2]: role for name, role in ROUTES.items() if name.startswith("GET ")
    }


@pytest.mark.parametrize("holder", Role)
@pytest.mark.parametrize("route", ROUTES)
def test_a_route_answers_to_its_role_and_to_no_other(guarded: Serving, route: str, holder: Role) -> None:
    needed = ROUTES[route]
    for token in (f"{holder}-1", f"{holder}-2"):
        status = asked(InProcess(guarded), route, token)
        assert (status == 403) == (needed not in (OPEN, holder)), status
        assert status < 500


@pytest.mark.parametrize("route", ROUTES)
def test_without_a_token_only_open_routes_answer(guarded: Serving, route: str, daemon: FakeDaemon) -> None:
    assert (asked(InProcess(guarded), route, None) == 401) == (ROUTES[route] is not OPEN)
    assert (asked(InProcess(guarded), route, "read-3") == 403) == (ROUTES[route] is not OPEN)
    assert daemon.asked == []
    assert daemon.log == []


@pytest.mark.parametrize("route", ROUTES)
def test_the_token_of_old_has_all_roles(make_serving: MakeServing, route: str) -> None:
    serving = make_serving(token="secret")
    serving.refresh(tiny_predictor())
    assert asked(InProcess(serving), route, "secret") in (200, 202, 404, OTHERWISE.get(route))
    assert (asked(InProcess(serving), route, None) == 401) == (ROUTES[route] is not OPEN)


@pytest.mark.parametrize("route", ROUTES)
def test_where_no_token_is_set_every_route_answers(serving: Serving, route: str) -> None:
    assert asked(InProcess(serving), route, None) in (200, 202, OTHERWISE.get(route))


@pytest.mark.parametrize("route", ROUTES)
def test_an_open_role_needs_no_token_and_the_others_do(
    make_serving: MakeServing, files: dict[Role, list[Path]], route: str
) -> None:
    serving = make_serving(token_files=files, open_roles=[Role.READ, Role.PREDICT])
    serving.refresh(tiny_predictor())
    closed = ROUTES[route] in (Role.TEACH, Role.OPERATE)
    assert (asked(InProcess(serving), route, None) == 401) == closed


def test_a_role_that_no_token_has_is_closed_once_there_is_one(
    make_serving: MakeServing, files: dict[Role, list[Path]]
) -> None:
    client = InProcess(make_serving(token_files={Role.OPERATE: files[Role.OPERATE]}))
    assert asked(client, "POST /v1/sleep", "operate-1") == 202
    assert asked(client, "GET /v1/status", None) == 401
    assert asked(client, "GET /v1/status", "operate-1") == 403


def test_a_token_in_several_files_has_the_roles_of_all(make_serving: MakeServing, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("both\nreads\n")
    other.write_text("both\n")
    client = InProcess(
        make_serving(token_files={Role.READ: [one], Role.OPERATE: [other], Role.TEACH: [other]})
    )
    assert asked(client, "GET /v1/memory", "both") == 200
    assert asked(client, "POST /v1/sleep", "both") == 202
    assert asked(client, "POST /v1/examples", "both") == 202
    assert asked(client, "POST /v1/sleep", "reads") == 403


def test_a_refusal_says_which_role_is_wanted_and_comes_before_the_body_is_looked_at(guarded: Serving) -> None:
    client = InProcess(guarded)
    refused = client.post("/v1/examples", content=b"{", headers={"authorization": "Bearer read-1"})
    assert problem(refused) == (403, "role-missing", "this token does not have the role teach")
    missing = client.post("/v1/examples", content=b"{")
    assert "with the role teach" in missing.json()["error"]
    assert missing.headers["www-authenticate"] == "Bearer"


def test_a_route_that_declares_no_role_is_not_served(guarded: Serving) -> None:
    app = Starlette(routes=[Route("/v1/forgotten", lambda _: Response())])
    with pytest.raises(LookupError, match="/v1/forgotten declares no role"):
        check_declared(app)
    with pytest.raises(TypeError, match="role"):
        Routes(app, guard=None).get("/v1/more", lambda: {})  # type: ignore[arg-type, call-arg]


def test_a_token_may_be_of_any_letters(make_serving: MakeServing) -> None:
    client = InProcess(make_serving(token="schlüssel"))
    given = {"authorization": "Bearer schlüssel".encode()}
    assert client.get("/v1/status", headers=given).status_code == 200  # type: ignore[arg-type]
