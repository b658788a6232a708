"""The OpenAPI description, and GET /openapi.json, which shows it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from streamlearner.decoding.inputs import Schema
from streamlearner.serving.body_schemas import StreamSchemas
from streamlearner.serving.components import add_components
from streamlearner.serving.parameters import Endpoint, for_fastapi
from streamlearner.serving.problems import Handlers, Json, invalid_parameter

Described: TypeAlias = tuple[str, Endpoint, dict[str, Any]]
"""Path, endpoint, and what else `add_api_route` is told."""


class Application(Starlette):
    """Starlette's, with a description that FastAPI makes, which also says which roles there are, and what
    this stream's inputs are. FastAPI is imported when it is needed first."""

    def __init__(self, *, stream: StreamSchemas, title: str, version: str, handlers: Handlers) -> None:
        super().__init__(exception_handlers=handlers)
        self.router.redirect_slashes = False
        self._title = title
        self._version = version
        self._handlers = handlers
        self._to_describe: list[Described] = []
        self._with_parameters: list[Described] = []
        self._stream = stream
        self._described: tuple[Schema | None, dict[str, Any]] | None = None
        self._description: dict[str, Any] | None = None

    def describe(self, path: str, endpoint: Endpoint, **described: Any) -> None:
        """A path as the description has it (`add_api_route`), which few ask for: models of what is answered
        are made ready when it is asked for, and not at the start, where all of them took 0.2 s."""
        self._to_describe.append((path, endpoint, described))

    def by_fastapi(self, path: str, endpoint: Endpoint, **answering: Any) -> ASGIApp:
        """What answers a path whose parameters FastAPI validates."""
        self._with_parameters.append((path, endpoint, answering))
        return _Later(lambda: self._validating)

    @cached_property
    def _validating(self) -> ASGIApp:
        """Without FastAPI's interactive pages, which load their scripts from other hosts."""
        from fastapi import FastAPI
        from fastapi.exceptions import RequestValidationError

        app = FastAPI(
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            exception_handlers=self._handlers
            | {RequestValidationError: invalid_parameter, Exception: _pass_on},
        )
        for path, endpoint, answering in self._with_parameters:
            app.add_api_route(path, for_fastapi(path, endpoint), response_model=None, **answering)
        return app

    def _described_by_fastapi(self) -> dict[str, Any]:
        from fastapi import FastAPI

        app = FastAPI(title=self._title, version=self._version)
        for path, endpoint, described in self._to_describe:
            app.add_api_route(path, for_fastapi(path, endpoint), **described)
        return app.openapi()

    def openapi(self) -> dict[str, Any]:
        """The description, made at the first call, and again once the stream has begun."""
        schema = self._stream.schema
        if self._described is None or self._described[0] != schema:
            if self._description is None:
                self._description = self._described_by_fastapi()
                add_components(self._description)
            self._described = schema, self._stream.filled_in(self._description, schema)
        return self._described[1]


class Description:
    """Answers what `application` says of itself."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def show(self) -> Json:
        """This description."""
        return Json(self._application.openapi())


async def _pass_on(request: Request, error: Exception) -> Response:
    """To the application around it, which answers and logs a crash: once."""
    raise error


class _Later:
    """An ASGI application that is made at the first request."""

    def __init__(self, made: Callable[[], ASGIApp]) -> None:
        self._made = made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._made()(scope, receive, send)
