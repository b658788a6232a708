"""By which names the daemon may be called: a page whose own name was made to lead here gets no answer."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from streamlearner.serving.problems import ProblemDocument

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANY_NAME = "*"


class Hosts:
    """ASGI middleware. A request is answered where its Host is a loopback name, the address that `bound`
    names or that the connection came to, or one of `allowed`: a name, `*.example.org`, or `*`.

    Bound to every address of the machine, any address will do: rebinding takes a name. So will no Host at
    all, which only HTTP/1.0 allows and no browser sends.
    """

    def __init__(self, app: ASGIApp, *, bound: str, allowed: Iterable[str] = ()) -> None:
        self._app = app
        given = [_plain(name) for name in allowed]
        self._names = {*LOOPBACK, _plain(bound), *(name for name in given if "*" not in name)}
        self._endings = tuple(name[1:] for name in given if name.startswith("*."))
        self._any_name = ANY_NAME in given
        self._any_address = _is_every_address(bound)
        self._expected = ", ".join(dict.fromkeys([*LOOPBACK, _plain(bound), *given]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._any_name:
            host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
            if host and not self._is_ours(_name_of(host), scope):
                text = f"{host[:100]!r} is no name of this daemon; expected {self._expected}"
                refused = ProblemDocument(421, f"{text} (serving.allowed_hosts)")
                return await refused(scope, receive, send)
        await self._app(scope, receive, send)

    def _is_ours(self, name: str, scope: Scope) -> bool:
        if name in self._names or name.endswith(self._endings):
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return self._any_address or name == (scope.get("server") or [""])[0]


def _is_every_address(host: str) -> bool:
    """Whether a server bound to it listens on every address of the machine."""
    try:
        return ip_address(_plain(host)).is_unspecified
    except ValueError:
        return False


def _name_of(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("[") and "]" in host:
        return _plain(host.partition("]")[0])
    name, colon, port = host.rpartition(":")
    return _plain(name if colon and port.isdecimal() else host)


def _plain(name: str) -> str:
    return name.strip().strip("[]").rstrip(".").lower()
