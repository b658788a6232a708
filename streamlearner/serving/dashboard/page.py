"""GET /: the dashboard; GET /dashboard/FILE: the files that it is made of."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import Response

from streamlearner.serving.problems import Problem

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_KINDS = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
    ".txt": "text/plain",
}  # fmt: skip
START = "index.html"


class Page:
    """Reads the files once. The page runs nothing but these, and shows what came in as text only."""

    def __init__(self) -> None:
        folder = files(__package__).joinpath("files")
        self._files = {one.name: one.read_bytes() for one in _all_of(folder)}

    async def show(self) -> Response:
        """The dashboard."""
        return self._answer(START)

    async def file(self, file: str) -> Response:
        """A file of the dashboard: a script, a style, a picture, a licence."""
        if file not in self._files:
            raise Problem(404, f"the dashboard has no file {file[:80]!r}")
        return self._answer(file)

    def _answer(self, name: str) -> Response:
        kind = _KINDS["." + name.rpartition(".")[2]]
        return Response(self._files[name], media_type=kind, headers=_HEADERS)


def _all_of(folder: Traversable) -> list[Traversable]:
    """Those of folders in it, too; no name occurs twice."""
    found: list[Traversable] = []
    for one in folder.iterdir():
        found += _all_of(one) if one.is_dir() else [one]
    return found
