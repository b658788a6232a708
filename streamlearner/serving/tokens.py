"""The tokens that give roles: held as hashes, compared in constant time, read again when a file changes."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from streamlearner.errors import ConfigError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""Between two looks at whether a file changed: a withdrawn token answers for so long."""


class Role(StrEnum):
    """What a request may do. None includes another; one token may have several."""

    PREDICT = "predict"
    TEACH = "teach"
    READ = "read"
    OPERATE = "operate"


ALL = frozenset(Role)


class Tokens:
    """Which roles a token has. `token` has all; each of `files` gives one role to every token in it."""

    def __init__(
        self,
        *,
        token: str | None = None,
        files: Mapping[Role, Sequence[Path]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises `ConfigError` for a file that cannot be read or holds no token."""
        self._all = None if token is None else _hash(token)
        roles: dict[Path, frozenset[Role]] = {}
        for role, paths in (files or {}).items():
            roles |= {path: roles.get(path, frozenset()) | {role} for path in paths}
        self._files = [_TokenFile(path, found) for path, found in roles.items()]
        self._clock = clock
        self._looked_s = clock()

    @property
    def given(self) -> frozenset[Role]:
        """The roles that some token may have, by the settings."""
        if self._all is not None:
            return ALL
        return frozenset[Role]().union(*(file.roles for file in self._files))

    def roles(self, token: str) -> frozenset[Role]:
        """Those of `token`; none for an unknown one. Looks at every token that there is, whichever it is."""
        self._look()
        asked = _hash(token)
        found = frozenset[Role]()
        if self._all is not None and hmac.compare_digest(asked, self._all):
            found |= ALL
        for file in self._files:
            if file.holds(asked):
                found |= file.roles
        return found

    def _look(self) -> None:
        now_s = self._clock()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            for file in self._files:
                file.refresh()


class _TokenFile:
    """A file with one token in each line. One that is gone, or cannot be read any more, gives nothing."""

    def __init__(self, path: Path, roles: frozenset[Role]) -> None:
        self.roles = roles
        self._path = path
        try:
            self._state = _state(path)
            self._hashes = _read(path)
        except (OSError, ValueError) as error:
            raise ConfigError(f"serving.token_files: {path}: {_reason(error)}; {_EXPECTED}") from None
        if not self._hashes:
            raise ConfigError(f"serving.token_files: {path}: holds no token; {_EXPECTED}")

    def holds(self, asked: bytes) -> bool:
        """Whether this hash is of one of its tokens, found in the same time wherever it stands."""
        found = False
        for one in self._hashes:
            found |= hmac.compare_digest(asked, one)
        return found

    def refresh(self) -> None:
        """Reads it again where it changed."""
        try:
            state = _state(self._path)
            if state == self._state:
                return
            self._hashes = _read(self._path)
        except (OSError, ValueError) as error:
            if self._state is not None:
                log.error("%s: %s; its tokens open nothing until it can be read", self._path, _reason(error))
            self._state, self._hashes = None, ()
            return
        self._state = state
        log.info("%s changed: it holds %d tokens", self._path, len(self._hashes))


_EXPECTED = "expected a readable file with one token in each line"
_State = tuple[int, int, int] | None


def _state(path: Path) -> _State:
    """What differs once a file was written or replaced; of a link, what it leads to."""
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(path: Path) -> tuple[bytes, ...]:
    """The hashes of its tokens; empty lines and those that begin with # hold none. Raises ValueError."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(_hash(line) for line in lines if line and not line.startswith("#"))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "is not UTF-8 text"


def names(roles: Iterable[Role]) -> str:
    """Their names, in the order of `Role`."""
    held = set(roles)
    return ", ".join(role for role in Role if role in held)
