"""How a route is added: with the role that a request to it needs, and how OpenAPI describes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from streamlearner.serving.bodies import Body, schema_of
from streamlearner.serving.guard import Guard
from streamlearner.serving.tokens import Role

OPEN = None
"""The role of a route that answers everybody: health, the page without figures, and this description."""
ERROR = {
    "description": 'every error: {"error": "what was found, and what was expected"}',
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
        }
    },
}
SCHEME = "token"


class Routes:
    """Adds routes to `app`. `role` has no default: whoever adds a route says who may use it."""

    def __init__(self, app: FastAPI, *, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    def get(
        self, path: str, endpoint: Callable[..., Any], *, role: Role | None, in_schema: bool = True
    ) -> None:
        """A path to read, by HEAD as well."""
        self.add("GET", path, endpoint, role=role, in_schema=in_schema)
        self.add("HEAD", path, endpoint, role=role, in_schema=False)

    def post(
        self,
        path: str,
        endpoint: Callable[..., Any],
        body: type[Body],
        *,
        role: Role | None,
        status: int = 202,
        more: dict[str, Any] | None = None,
    ) -> None:
        """A path that takes a JSON body, and what `more` names."""
        content = {"application/json": {"schema": schema_of(body)}} | (more or {})
        self.add(
            "POST", path, endpoint, role=role, status=status, extra={"requestBody": {"content": content}}
        )

    def add(
        self,
        method: str,
        path: str,
        endpoint: Callable[..., Any],
        *,
        role: Role | None,
        status: int = 200,
        extra: dict[str, Any] | None = None,
        in_schema: bool = True,
    ) -> None:
        """Any path. The role is asked for before the endpoint sees the request and its body is read."""
        self._app.add_api_route(
            path,
            endpoint,
            methods=[method],
            status_code=status,
            response_class=Response,
            responses={"default": ERROR},
            openapi_extra=self._described(role) | (extra or {}),
            include_in_schema=in_schema,
        )
        route = self._app.routes[-1]
        assert isinstance(route, APIRoute)
        route.app = _Guarded(route.app, role=role, guard=self._guard)

    def _described(self, role: Role | None) -> dict[str, Any]:
        needed = {"security": [{SCHEME: [role]}]} if self._guard.demands(role) else {}
        return {"x-role": role or "open"} | needed


class _Guarded:
    """An ASGI application behind the guard."""

    def __init__(self, app: ASGIApp, *, role: Role | None, guard: Guard) -> None:
        self.role = role
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard.admit(self.role, Request(scope))
        await self._app(scope, receive, send)


def role_of(route: APIRoute) -> Role | None:
    """The role that a route declared. Raises `LookupError` for one that declared none."""
    if not isinstance(route.app, _Guarded):
        raise LookupError(f"{route.path} declares no role: add it by Routes")
    return route.app.role


def check_declared(app: FastAPI) -> None:
    """Raises `LookupError` for a route that would answer without having been asked who may use it."""
    for route in app.routes:
        if not isinstance(route, APIRoute):
            raise LookupError(f"{route} declares no role: add it by Routes")
        role_of(route)
