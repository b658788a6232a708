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
        self._stream = stream
        self._described: tuple[Schema | None, dict[str, Any]] | None = None

    def openapi(self) -> dict[str, Any]:
        """The description, made at the first call, and again once the stream has begun."""
        schema = self._stream.schema
        if self._described is None or self._described[0] != schema:
            if self.openapi_schema is None:
                add_components(super().openapi())
            self._described = schema, self._stream.filled_in(self.openapi_schema, schema)
        return self._described[1]


class Description:
    """Answers what `application` says of itself."""

    def __init__(self, application: FastAPI) -> None:
        self._application = application

    async def show(self) -> Json:
        """This description."""
        return Json(self._application.openapi())
