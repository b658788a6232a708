"""Every error as a problem document (RFC 9457), whoever raised it."""

from __future__ import annotations

import difflib
import json
import logging
import math
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from streamlearner.errors import InvalidInput
from streamlearner.serving.daemon_port import BacklogFull, Conflict, TooLarge, Unavailable
from streamlearner.serving.problem_kinds import MEDIA, document

LOG = logging.getLogger(__name__)
CRASHED = "internal error; the daemon's log has the details"


class Problem(Exception):
    """An answer that is not a success: an HTTP status, a text for a person, and for programs one of `KINDS`,
    by default the first of that status."""

    def __init__(
        self, status: int, text: str, *, kind: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind
        self.headers = headers


class Json(Response):
    """A JSON answer in ASCII, so that no text that came in (a lone surrogate) can fail on its way out."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def busy(timeout_s: float) -> Problem:
    """The 503 where the learning thread did not take something up in time."""
    text = f"the learning loop did not get to it within {timeout_s:g} s; try again"
    return Problem(503, text, kind="busy", headers={"Retry-After": "1"})


def finite(value: Any) -> Any:
    """`value` with null for NaN and infinity, which JSON does not have; keys become texts."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def nearest(name: str, valid: Iterable[str]) -> str:
    """`; did you mean "x"?` where one of `valid` is close, else nothing."""
    close = difflib.get_close_matches(name[:100], list(valid), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


class ProblemDocument(Json):
    """The one form of an error; `more` are members of this one alone."""

    media_type = MEDIA

    def __init__(
        self,
        status: int,
        text: str,
        *,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        content = document(status, text, kind=kind, **more)
        super().__init__(content, status_code=status, headers=dict(headers or {}))


def refusal(text: str, *, status: int, kind: str, headers: Mapping[str, str]) -> bytes:
    """The whole answer as bytes, for what never became a request; the connection ends with it."""
    body = json.dumps(document(status, text, kind=kind))
    told = {"content-type": MEDIA, "connection": "close", "content-length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n{body}".encode("ascii")


async def _problem(request: Request, error: Problem) -> Response:
    return ProblemDocument(error.status, str(error), kind=error.kind, headers=error.headers)


async def _invalid_input(request: Request, error: InvalidInput) -> Response:
    return ProblemDocument(400, str(error), reason=error.reason)


async def _backlog_full(request: Request, error: BacklogFull) -> Response:
    wait = {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    return ProblemDocument(429, str(error), kind="backlog-full", headers=wait)


async def _too_large(request: Request, error: TooLarge) -> Response:
    return ProblemDocument(413, str(error))


async def _conflict(request: Request, error: Conflict) -> Response:
    return ProblemDocument(409, str(error))


async def _unavailable(request: Request, error: Unavailable) -> Response:
    return ProblemDocument(503, str(error), headers={"Retry-After": "1"})


async def invalid_parameter(request: Request, error: Any) -> Response:
    """FastAPI's 422 for query parameters, a `RequestValidationError`."""
    first = error.errors()[0]
    text = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return ProblemDocument(400, text, reason="parameter")


async def _http(request: Request, error: HTTPException) -> Response:
    """404 and 405 of the router."""
    path = request.url.path
    if error.status_code == 404:
        paths = [str(getattr(route, "path", "")) for route in request.app.routes]
        text = f"no such path: {path[:200]}{nearest(path, paths)}"
        return ProblemDocument(404, text, kind="no-such-path")
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        text = f"{path[:200]} does not take {request.method[:20]}; it takes {allowed}"
        return ProblemDocument(405, text, headers={"Allow": allowed})
    return ProblemDocument(error.status_code, str(error.detail), headers=error.headers)


def _methods(request: Request) -> list[str]:
    """What a path takes: each method is a route of its own, and the router names those of the first."""
    found: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods
    return sorted(found)


async def _crash(request: Request, error: Exception) -> Response:
    """`instance` is in the log as well: which traceback belongs to which answer."""
    instance = uuid.uuid4().urn
    LOG.error("%s %s failed (%s)", request.method, request.url.path, instance, exc_info=error)
    return ProblemDocument(500, CRASHED, instance=instance)


Handlers: TypeAlias = dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]
HANDLERS: Handlers = {
    Problem: _problem,
    InvalidInput: _invalid_input,
    BacklogFull: _backlog_full,
    TooLarge: _too_large,
    Conflict: _conflict,
    Unavailable: _unavailable,
    HTTPException: _http,
    Exception: _crash,
}
