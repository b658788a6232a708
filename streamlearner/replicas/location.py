"""Where versions are published: a state folder, a folder of exported versions, or a URL of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streamlearner.errors import CheckpointError, ConfigError
from streamlearner.export.card import CARD, Card
from streamlearner.state.disk import LOCAL_DISK
from streamlearner.state.published import CURRENT, exported_in

VERSIONS = "versions"


class Location:
    """`where` is a path, or a URL of anything that fsspec reads: http, https, s3, gs, ... A URL names the
    folder that holds `current.json`; a state folder is one whose `versions` are meant.

    Each call may block, and raises `CheckpointError` where it does not get what it wants: the network, or a
    version that was deleted just now. Raises `ConfigError` when made, for a URL that cannot be read here.
    """

    def __init__(self, where: str) -> None:
        self.name = where
        self._files: Any = None
        self._folder = Path(where).expanduser()
        scheme = urlsplit(where).scheme
        if len(scheme) > 1:  # else the drive of a path
            self._files, self._root = _file_system(where)

    @property
    def is_url(self) -> bool:
        return self._files is not None

    def current(self) -> int | None:
        """The version to follow: what `current.json` says, in a folder without one the newest; None while
        nothing is published in a folder that there is."""
        try:
            data = self._read(CURRENT)
        except FileNotFoundError:
            if self.is_url:
                return None
            if not self._folder.is_dir():  # mistyped, or a disk that went
                raise CheckpointError(f"{self.name}: there is no such folder") from None
            return max(exported_in(self._local(), disk=LOCAL_DISK), default=None)
        except OSError as error:
            raise CheckpointError(f"{self.name} cannot be read: {error}") from error
        try:
            return int(json.loads(data)["version"])
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{CURRENT} of {self.name} cannot be read: {error}") from error

    def card(self, version: int) -> Card:
        """That of a version, checked against its digest."""
        name = f"{version}/{CARD}"
        return Card.from_bytes(self._got(name), where=f"{self.name}: {name}")

    def file(self, card: Card, name: str) -> bytes:
        """A file of a version, checked against its card."""
        path = f"{card.version}/{name}"
        return card.check(name, self._got(path), where=f"{self.name}: {path}")

    def _got(self, name: str) -> bytes:
        try:
            return self._read(name)
        except OSError as error:
            raise CheckpointError(f"{self.name}: {name} cannot be read: {error}") from error

    def _local(self) -> Path:
        """Anew each time: a state folder may get its first version later."""
        inner = self._folder / VERSIONS
        return inner if inner.is_dir() else self._folder

    def _read(self, name: str) -> bytes:
        if not self.is_url:
            return (self._local() / name).read_bytes()
        try:
            found: bytes = self._files.cat_file(f"{self._root}/{name}")
            return found
        except OSError:
            raise
        except Exception as error:  # each file system has exceptions of its own
            raise OSError(f"{type(error).__name__}: {error}") from error


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        files, root = fsspec.url_to_fs(url.rstrip("/"), use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"--from {url}: {error}") from error
    return files, str(root)
