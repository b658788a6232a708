"""Who may use the port and from where, as settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware

from streamlearner.serving.clients import RequestRates
from streamlearner.serving.guard import Guard
from streamlearner.serving.hosts import Hosts
from streamlearner.serving.open_inference.bodies import HEADER
from streamlearner.serving.tokens import Role, Tokens

_ASKED = ("authorization", "content-type", "content-encoding", "shape", "dtype", HEADER)
"""Headers that a page of another site may send."""


@dataclass(frozen=True, slots=True)
class Access:
    """`token` has all roles, a token of `token_files` that of its file; `open_roles` need none. The daemon is
    called by its own names and `allowed_hosts`; pages of `cors_origins` may use it. Each client may send
    `requests_per_s`; None: any number."""

    token: str | None = None
    token_files: Mapping[Role, Sequence[Path]] = field(default_factory=dict)
    open_roles: Sequence[Role] = ()
    allowed_hosts: Sequence[str] = ()
    cors_origins: Sequence[str] = ()
    requests_per_s: float | None = None

    def guard(self) -> Guard:
        """Reads the files. Raises `ConfigError` where that cannot be done."""
        tokens = Tokens(token=self.token, files=self.token_files)
        rates = None if self.requests_per_s is None else RequestRates(self.requests_per_s)
        return Guard(tokens=tokens, open_roles=self.open_roles, origins=self.cors_origins, rates=rates)

    def put_before(self, app: Starlette, *, bound: str) -> None:
        """Adds what looks at a request before any route does; `bound` is the address that is listened on."""
        if self.cors_origins:
            app.add_middleware(
                CORSMiddleware,
                allow_origins=self.cors_origins,
                allow_methods=("GET", "HEAD", "POST", "DELETE"),
                allow_headers=_ASKED,
                expose_headers=("retry-after", "www-authenticate", HEADER),
            )
        app.add_middleware(Hosts, bound=bound, allowed=self.allowed_hosts)
