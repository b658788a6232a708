"""Parameters of requests: as endpoints declare them, and as FastAPI, which validates them, takes them.

FastAPI is imported once such a request, or the description, is asked for: its import takes 0.13 s, and what
most clients ask has no parameters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

Endpoint: TypeAlias = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Of a request, in `Annotated[type, Parameter(...)]`: of the path, where that names it, else of the
    query. The words are those of `fastapi.Query`."""

    description: str | None = None
    alias: str | None = None
    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    max_length: int | None = None
    json_schema_extra: Mapping[str, Any] | None = None


def names_in(path: str) -> set[str]:
    """The parameters that a path names."""
    return set(compile_path(path)[2])


def from_path(path: str, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]] | None:
    """What answers a request with `endpoint`, where its path has all that the endpoint takes beside it; else
    None."""
    taken = set(inspect.signature(endpoint).parameters)
    named = names_in(path)
    if not taken <= named | {"request"}:
        return None

    async def answer(request: Request) -> Response:
        given: dict[str, Any] = {name: request.path_params[name] for name in taken & named}
        return await endpoint(**given | ({"request": request} if "request" in taken else {}))

    return answer


def for_fastapi(path: str, endpoint: Endpoint) -> Endpoint:
    """`endpoint`, with its parameters declared as FastAPI has them declared."""
    hints = get_type_hints(endpoint, include_extras=True)
    signature, named = inspect.signature(endpoint), names_in(path)
    declared = [
        each.replace(annotation=_declared(hints[name], in_path=name in named))
        for name, each in signature.parameters.items()
    ]

    @functools.wraps(endpoint)
    async def called(**given: Any) -> Response:
        return await endpoint(**given)

    called.__signature__ = signature.replace(parameters=declared)  # type: ignore[attr-defined]
    return called


def _declared(kind: Any, *, in_path: bool) -> Any:
    from fastapi import Path, Query

    if get_origin(kind) is not Annotated:
        return kind
    inner, *notes = get_args(kind)
    made = Path if in_path else Query
    return Annotated[inner, *(made(**_said(one)) if isinstance(one, Parameter) else one for one in notes)]


def _said(parameter: Parameter) -> dict[str, Any]:
    words = {name: getattr(parameter, name) for name in Parameter.__slots__}
    return {name: value for name, value in words.items() if value is not None}
