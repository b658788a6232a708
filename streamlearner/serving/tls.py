"""TLS on the port: the daemon's certificate, and those that clients must show; renewed files are taken up."""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlearner.errors import ConfigError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
"""Between two looks at whether the files changed."""
HANDSHAKE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files. `key` may be in the file of `certificate`; with `client_ca` only clients with a certificate
    of that authority are let in."""

    certificate: Path
    key: Path | None = None
    key_password: str | None = None
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises `ConfigError` for files that are no certificate and its key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        password = self.key_password or ""  # not None: OpenSSL would ask for one at the terminal, and wait
        try:
            context.load_cert_chain(self.certificate, self.key, lambda: password)
        except (OSError, ValueError) as error:
            files = " and ".join(str(path) for path in (self.certificate, self.key) if path)
            expected = "expected a PEM certificate and its key"
            raise ConfigError(f"serving.tls: {files}: {_reason(error)}; {expected}") from None
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ValueError) as error:
                text = f"serving.tls.client_ca: {self.client_ca}: {_reason(error)}"
                raise ConfigError(f"{text}; expected a PEM file of certificates") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def pem(self) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """Key and certificate, and the clients' authorities, as gRPC takes them: it reads no encrypted keys.
        Raises `ConfigError`."""
        self.context()
        if self.key_password is not None:
            raise ConfigError("serving.tls.key_password: gRPC reads no encrypted key; expected a plain one")
        certificate, key = self.certificate.read_bytes(), (self.key or self.certificate).read_bytes()
        return [(key, certificate)], self.client_ca.read_bytes() if self.client_ca else None

    def files(self) -> list[Path]:
        return [path for path in (self.certificate, self.key, self.client_ca) if path is not None]


class RenewedTls:
    """The context of a port that stays open for months: files that were replaced count from the next
    handshake on, and those that cannot be used change nothing."""

    def __init__(self, tls: Tls, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises `ConfigError`."""
        self._tls = tls
        self._clock = clock
        self._looked_s = clock()
        self._state = self._found()
        self._newest = self.context = tls.context()
        self.context.sni_callback = self._at_handshake  # also where the client names no host

    def _at_handshake(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        now_s = self._clock()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self._renew()
        if self._newest is not context:
            connection.context = self._newest

    def _renew(self) -> None:
        found = self._found()
        if found == self._state:
            return
        self._state = found
        try:
            self._newest = self._tls.context()
        except ConfigError as error:
            log.error("the certificate stays as it was: %s", error)
            return
        log.info("the certificate was renewed from %s", self._tls.certificate)

    def _found(self) -> list[tuple[int, int, int] | None]:
        return [_state(path) for path in self._tls.files()]


class RenewedPem:
    """The same for gRPC, which asks before each handshake: a new configuration, or None for the last one."""

    def __init__(self, tls: Tls, *, configuration: Callable[..., Any]) -> None:
        self._tls = tls
        self._configuration = configuration
        self._state = [_state(path) for path in tls.files()]

    def __call__(self) -> Any:
        found = [_state(path) for path in self._tls.files()]
        if found == self._state:
            return None
        self._state = found
        try:
            return self._configuration(*self._tls.pem())
        except (ConfigError, OSError) as error:
            log.error("the certificate for gRPC stays as it was: %s", error)
            return None


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM file").replace("_", " ").lower()
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
