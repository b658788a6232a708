"""How a route is added: with the role that a request to it needs, and how OpenAPI describes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from streamlearner.answer_models import ProblemDocument
from streamlearner.serving.bodies import Body
from streamlearner.serving.components import SCHEME, reference, response_name
from streamlearner.serving.guard import SAFE, Guard
from streamlearner.serving.openapi import Application
from streamlearner.serving.parameters import from_path
from streamlearner.serving.tokens import Role

OPEN = None
"""The role of a route that answers everybody: health, the page without figures, and this description."""
OF_BODIES = (400, 408, 413, 415)
"""What may be wrong with any body."""
AnswerKind: TypeAlias = Any
"""What a success looks like: a model of `answer_models` or a list of one, a media type, or a pair of both."""


class Routes:
    """Adds routes to `app`. `role` has no default: whoever adds a route says who may use it."""

    def __init__(self, app: Application, *, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    def get(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        role: Role | None,
        answer: AnswerKind = None,
        in_schema: bool = True,
        errors: Sequence[int] = (),
    ) -> None:
        """A path to read, by HEAD as well."""
        self.add("GET", path, endpoint, role=role, answer=answer, in_schema=in_schema, errors=errors)
        self.add("HEAD", path, endpoint, role=role, in_schema=False)

    def post(
        self,
        path: str,
        endpoint: Callable[..., Any],
        body: type[Body],
        *,
        role: Role | None,
        answer: AnswerKind = None,
        status: int = 202,
        also: int | None = None,
        more: dict[str, Any] | None = None,
        parameters: Sequence[dict[str, Any]] = (),
        errors: Sequence[int] = (),
    ) -> None:
        """A path that takes a JSON body, and what `more` names; `parameters`: what it reads beside it."""
        content = {"application/json": {"schema": reference("schemas", body.__name__)}} | (more or {})
        extra: dict[str, Any] = {"requestBody": {"content": content, "required": _required(body)}}
        extra |= {"parameters": list(parameters)} if parameters else {}
        self.add(
            "POST", path, endpoint, role=role, answer=answer, status=status, also=also, extra=extra,
            errors=(*OF_BODIES, *errors),
        )  # fmt: skip

    def add(
        self,
        method: str,
        path: str,
        endpoint: Callable[..., Any],
        *,
        role: Role | None,
        answer: AnswerKind = None,
        status: int = 200,
        also: int | None = None,
        extra: dict[str, Any] | None = None,
        in_schema: bool = True,
        errors: Sequence[int] = (),
    ) -> None:
        """Any path. The role is asked for before the endpoint sees the request and its body is read. The same
        `answer` comes with `status`, or `also` another one; `errors` are those that only this path has."""
        answers: dict[int | str, Any] = {each: _answered(answer) for each in (status, also) if each}
        answering: dict[str, Any] = {"methods": [method], "status_code": status, "response_class": Response}
        answers_it = from_path(path, endpoint) or self._app.by_fastapi(path, endpoint, **answering)
        self._app.routes.append(GuardedRoute(path, answers_it, method=method, role=role, guard=self._guard))
        if in_schema:
            self._app.describe(
                path,
                endpoint,
                **answering,
                responses=answers | self._errors(method, role, errors),
                openapi_extra=self._described(role) | (extra or {}),
                operation_id=_operation(method, path, is_page=answer == "text/html"),
            )

    def _errors(self, method: str, role: Role | None, own: Sequence[int]) -> dict[int | str, Any]:
        """Those of the path, of the guard, and any other."""
        found = set(own)
        if role is not None:
            found.add(429)
        if self._guard.demands(role):
            found |= {401, 403}
        elif method not in SAFE:
            found.add(403)
        errors: dict[int | str, Any] = {each: _error(each) for each in sorted(found)}
        return errors | {"default": _error(None)}

    def _described(self, role: Role | None) -> dict[str, Any]:
        needed = {"security": [{SCHEME: [role]}]} if self._guard.demands(role) else {}
        return {"x-role": role or "open"} | needed


def _operation(method: str, path: str, *, is_page: bool) -> str:
    """What generated clients call it: `post_predict`, `get_v2_models_model`, and `get_page` of the root."""
    words = re.findall(r"[a-z0-9]+", path.removeprefix("/v1/").replace(":path", "").lower())
    return "_".join([method.lower(), *words, *["page"] * is_page])


def _required(body: type[Body]) -> bool:
    """Whether an empty one would miss something."""
    return any(field.is_required() for field in body.model_fields.values())


def _error(status: int | None) -> dict[str, Any]:
    """By reference; the model makes FastAPI describe what is referred to."""
    named = reference("responses", response_name(status)) | {"description": "see there"}
    return named | ({"model": ProblemDocument} if status is None else {})


def _answered(answer: AnswerKind) -> dict[str, Any]:
    """A success in OpenAPI."""
    if answer is None:
        return {}
    kinds = answer if isinstance(answer, tuple) else (answer,)
    media = [kind for kind in kinds if isinstance(kind, str)]
    content = {name: {"schema": {"type": "string"} | _BINARY.get(name, {})} for name in media}
    models = [kind for kind in kinds if not isinstance(kind, str)]
    return ({"content": content} if content else {}) | ({"model": models[0]} if models else {})


_BINARY = {"image/png": {"format": "binary"}}


class GuardedRoute(Route):
    """One method of a path, behind the guard. `endpoint` is a function of the request, or an ASGI
    application."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, method: str, role: Role | None, guard: Guard
    ) -> None:
        super().__init__(path, endpoint, methods=[method], include_in_schema=False)
        self.methods = {method}  # Starlette would answer HEAD as well
        self.role = role
        self._method = method
        self._guard = guard

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == self._method:
            self._guard.admit(self.role, Request(scope))
        await super().handle(scope, receive, send)


def role_of(route: BaseRoute) -> Role | None:
    """The role that a route declared. Raises `LookupError` for one that declared none."""
    if not isinstance(route, GuardedRoute):
        raise LookupError(f"{getattr(route, 'path', route)} declares no role: add it by Routes")
    return route.role


def check_declared(app: Starlette) -> None:
    """Raises `LookupError` for a route that would answer without having been asked who may use it."""
    for route in app.routes:
        role_of(route)
