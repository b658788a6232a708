"""GET /: the dashboard, one self-contained file."""

from __future__ import annotations

from importlib.resources import files

from starlette.responses import HTMLResponse

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "connect-src 'self'; img-src 'self' blob: data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Page:
    """Reads the file once. The page loads nothing from other hosts, and shows labels as text only."""

    def __init__(self) -> None:
        self._html = files(__package__).joinpath("page.html").read_text("utf-8")

    async def show(self) -> HTMLResponse:
        """The dashboard."""
        return HTMLResponse(self._html, headers=_HEADERS)
