"""Where a daemon is and how it is spoken to: address, token, certificates, proxies."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from streamlearner.client.errors import NoDaemon
from streamlearner.errors import StreamlearnerError
from streamlearner.version import __version__

DEFAULT_ADDRESS = "http://127.0.0.1:8080"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Connection:
    """What both clients are made with. What is None is read from the environment: STREAMLEARNER_ADDRESS (else
    127.0.0.1:8080), STREAMLEARNER_TOKEN, or the first token in the file STREAMLEARNER_TOKEN_FILE.

    By TLS it trusts the system's authorities, or those in the file STREAMLEARNER_CA; to a daemon that asks
    for one it shows the certificate in STREAMLEARNER_CERTIFICATE, with its key in STREAMLEARNER_KEY. Proxies
    are those of the environment, none for this machine. Raises StreamlearnerError.
    """

    def __init__(self, address: str | None, *, token: str | None, timeout_s: float) -> None:
        environ = os.environ
        self.address = _checked(address or environ.get("STREAMLEARNER_ADDRESS") or DEFAULT_ADDRESS)
        self.token = _sendable(_token(environ) if token is None else token)
        self.timeout_s = timeout_s
        self.uses_environment = urlsplit(self.address).hostname not in _LOOPBACK
        self.verify = self._trust(environ)

    @property
    def headers(self) -> dict[str, bytes]:
        """Of every request: the token, where there is one."""
        agent = {"user-agent": f"streamlearner/{__version__}".encode()}
        return agent | ({"authorization": f"Bearer {self.token}".encode()} if self.token else {})

    def _trust(self, environ: Mapping[str, str]) -> ssl.SSLContext | bool:
        """Without TLS and proxies nobody's authorities are read: that takes most of the time of making a
        client."""
        if self.address.startswith("https:"):
            return _context(environ)
        return True if self.uses_environment else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def gone(self, error: httpx.TransportError) -> NoDaemon:
        """Why nothing answered."""
        reason = str(error) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            reason = f"nothing within {self.timeout_s:g} s"
        return NoDaemon(
            f"{self.address} does not answer ({reason}): is the daemon running there? "
            "Another place is named by --address or STREAMLEARNER_ADDRESS",
            was_sent=not isinstance(error, _NEVER_SENT),
        )


def token_in(file: Path) -> str:
    """The first token of a file with one in each line, as the daemon's own token files have them. Raises
    StreamlearnerError."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StreamlearnerError(f"{file}: cannot be read ({reason}); expected a token in a line") from None
    tokens = [line for line in lines if line and not line.startswith("#")]
    if not tokens:
        raise StreamlearnerError(f"{file}: holds no token; expected one in a line")
    return tokens[0]


def _token(environ: Mapping[str, str]) -> str | None:
    if "STREAMLEARNER_TOKEN" in environ:
        return environ["STREAMLEARNER_TOKEN"] or None
    file = environ.get("STREAMLEARNER_TOKEN_FILE")
    return token_in(Path(file)) if file else None


def _sendable(token: str | None) -> str | None:
    """Without the line's end that secrets often have. Raises StreamlearnerError, which does not show it."""
    found = (token or "").strip()
    if any(
        character < " " or character == "\x7f" or "\ud800" <= character <= "\udfff" for character in found
    ):
        raise StreamlearnerError("the token holds a control character; expected one line of text")
    return found or None


def _context(environ: Mapping[str, str]) -> ssl.SSLContext:
    named = {name: environ.get(f"STREAMLEARNER_{name}") for name in ("CA", "CERTIFICATE", "KEY")}
    try:
        context = ssl.create_default_context(cafile=named["CA"])
        if named["CERTIFICATE"]:
            context.load_cert_chain(named["CERTIFICATE"], named["KEY"])
    except OSError as error:
        files = ", ".join(f"STREAMLEARNER_{name}={path}" for name, path in named.items() if path)
        raise StreamlearnerError(f"{files}: {error.strerror or error}; expected PEM files") from None
    return context


def _checked(address: str) -> str:
    whole = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(whole)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        good = False
    if not good:
        raise StreamlearnerError(
            f"--address {address}: expected http://host:port, for example http://127.0.0.1:8080"
        )
    return whole.rstrip("/")
