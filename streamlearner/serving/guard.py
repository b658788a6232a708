"""Who may change something: holders of the bearer token, and no page of another site in a browser."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.requests import Request

from streamlearner.serving.problems import Problem


class Guard:
    """Checks requests that change something. Without a token all may, but pages of other origins."""

    def __init__(self, *, token: str | None) -> None:
        self._token = token

    def admit_admin(self, request: Request) -> None:
        """Raises `Problem` 401 without a token, 403 with a wrong one, where one is configured."""
        if self._token is None:
            return self.admit_origin(request)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            text = "this needs the header Authorization: Bearer <serving.token>"
            raise Problem(401, text, headers={"WWW-Authenticate": "Bearer"})
        if not hmac.compare_digest(given.strip().encode("latin-1"), self._token.encode()):
            raise Problem(403, "wrong token")

    def admit_origin(self, request: Request) -> None:
        """Raises `Problem` 403 for a request that a browser sends for a page of another site."""
        origin = request.headers.get("origin")
        if origin is not None and _authority(origin) != request.headers.get("host", "").lower():
            raise Problem(403, f"a page of {origin[:100]} may not do this; only one served from here")


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
