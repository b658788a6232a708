"""The OpenAPI description, and GET /openapi.json, which shows it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from streamlearner.serving.problems import Json
from streamlearner.serving.routes import SCHEME

_SCHEMES = {
    SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "a token of serving.token_files, with the role that each path names as x-role",
    }
}


class Application(FastAPI):
    """FastAPI's, whose description also says which roles there are."""

    def openapi(self) -> dict[str, Any]:
        """The description, made at the first call."""
        if self.openapi_schema is None:
            super().openapi().setdefault("components", {})["securitySchemes"] = _SCHEMES
        assert self.openapi_schema is not None
        return self.openapi_schema


class Description:
    """Answers what `application` says of itself."""

    def __init__(self, application: FastAPI) -> None:
        self._application = application

    async def show(self) -> Json:
        """This description."""
        return Json(self._application.openapi())
