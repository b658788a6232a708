"""Who may do what: holders of a token with the role that a route needs, and no page of another site."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request

from streamlearner.serving.clients import RequestRates, retry_after
from streamlearner.serving.problems import Problem
from streamlearner.serving.tokens import ALL, Role, Tokens

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""


class Guard:
    """Admits requests to routes by role. Where no token is set at all, every role is open; otherwise those
    in `open_roles` are, and each other one needs its token. Pages of `origins` count as the daemon's own."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        open_roles: Collection[Role] = (),
        origins: Collection[str] = (),
        rates: RequestRates | None = None,
    ) -> None:
        self._rates = rates
        self._tokens = tokens
        self._origins = frozenset(origins)
        self._open = frozenset(open_roles) if tokens.given else ALL

    def demands(self, role: Role | None) -> bool:
        """Whether a token is needed for it; None is the role of routes that are open to all."""
        return role is not None and role not in self._open

    def admit(self, role: Role | None, request: Request) -> None:
        """Raises `Problem`: 401 without a token, 403 for one without the role, or for a page of another site
        that changes something in an operator's browser; 429 for a client that asks too often."""
        if request.client is not None:
            self.admit_rate(role, request.client.host)
        if self.demands(role):
            self.admit_token(role, request.headers.get("authorization", ""))
        elif request.method not in SAFE:
            self._admit_origin(request)

    def admit_rate(self, role: Role | None, address: str) -> None:
        """Raises `Problem` 429 for a client that asks more often than it may; health is always answered."""
        if role is None or self._rates is None:
            return
        wait_s = self._rates.wait_s(address)
        if wait_s > 0:
            text = "more requests a second than one client may send (serving.max_requests_per_s)"
            raise Problem(429, text, headers={"Retry-After": retry_after(wait_s)})

    def admit_token(self, role: Role | None, authorization: str) -> None:
        """The same for a protocol that no browser speaks; "" where the header is missing."""
        if role is None or not self.demands(role):
            return
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            text = f"this needs the header Authorization: Bearer TOKEN, of a token with the role {role}"
            raise Problem(401, text, headers={"WWW-Authenticate": "Bearer"})
        roles = self._tokens.roles(_text(given.strip()))
        if not roles:
            raise Problem(403, "wrong token", kind="token-wrong")
        if role not in roles:
            raise Problem(403, f"this token does not have the role {role}", kind="role-missing")

    def _admit_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if origin is None or origin in self._origins:
            return
        if _authority(origin) != request.headers.get("host", "").lower():
            text = f"a page of {origin[:100]} may not do this; only one served from here"
            raise Problem(403, f"{text}, or of serving.cors_origins", kind="foreign-page")


def _text(header: str) -> str:
    """Headers come as Latin-1, tokens are UTF-8."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
