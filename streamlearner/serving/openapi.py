"""The OpenAPI description, and GET /openapi.json, which shows it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from streamlearner.decoding.inputs import Schema
from streamlearner.serving.body_schemas import StreamSchemas
from streamlearner.serving.components import add_components
from streamlearner.serving.problems import Handlers, Json


class Application(FastAPI):
    """FastAPI's, whose description also says which roles there are, and what this stream's inputs are."""

    def __init__(self, *, stream: StreamSchemas, title: str, version: str, handlers: Handlers) -> None:
        """Without the interactive pages of FastAPI, which load their scripts from other hosts."""
        super().__init__(
            title=title,
            version=version,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            exception_handlers=handlers,
        )
        self._to_describe: list[tuple[tuple[str, Any], dict[str, Any]]] = []
        self._stream = stream
        self._described: tuple[Schema | None, dict[str, Any]] | None = None

    def describe(self, path: str, endpoint: Any, **described: Any) -> None:
        """A path as the description has it (`add_api_route`), which few ask for: models of what is answered
        are made ready when it is asked for, and not at the start, where all of them took 0.2 s."""
        self._to_describe.append(((path, endpoint), described))

    def _described_app(self) -> FastAPI:
        app = FastAPI(title=self.title, version=self.version)
        for route, described in self._to_describe:
            app.add_api_route(*route, **described)
        return app

    def openapi(self) -> dict[str, Any]:
        """The description, made at the first call, and again once the stream has begun."""
        schema = self._stream.schema
        if self._described is None or self._described[0] != schema:
            if self.openapi_schema is None:
                self.openapi_schema = self._described_app().openapi()
                add_components(self.openapi_schema)
            self._described = schema, self._stream.filled_in(self.openapi_schema, schema)
        return self._described[1]


class Description:
    """Answers what `application` says of itself."""

    def __init__(self, application: FastAPI) -> None:
        self._application = application

    async def show(self) -> Json:
        """This description."""
        return Json(self._application.openapi())
