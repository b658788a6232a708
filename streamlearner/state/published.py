"""Exported versions: beside the weights of each, a folder of files that other programs run.

versions/3/              what version 3 answered when it was adopted: complete, or absent
versions/3/.publisher    to whom it was published, once it was
versions/current.json    which version answers now: what replicas follow
versions/.export-3       being written or deleted; after a crash a leftover, gone at the next write
versions/rolled-back/3   of a future that a rollback to a checkpoint has abandoned
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from streamlearner.errors import CheckpointError
from streamlearner.state.disk import LOCAL_DISK, Disk
from streamlearner.state.durable_files import explained, replace_file, write_file
from streamlearner.state.numbered_folder import ROLLED_BACK

CURRENT, PUBLISHER = "current.json", ".publisher"
ASIDE = ".export-"


class Published:
    """The exported versions in `folder`. One thread writes at a time. Raises `CheckpointError` where the disk
    refuses."""

    def __init__(self, folder: Path, *, disk: Disk = LOCAL_DISK) -> None:
        self.folder = folder
        self._disk = disk

    def numbers(self) -> list[int]:
        """Those that are complete, oldest first."""
        with explained("exported versions cannot be listed", self.folder, disk=self._disk):
            return exported_in(self.folder, disk=self._disk)

    def path(self, number: int) -> Path:
        """Where a version is or would be."""
        return self.folder / str(number)

    def add(self, number: int, files: Mapping[str, bytes]) -> Path:
        """Durable and complete when it returns; at any instant before, it is absent, or what it was."""
        aside, path = self.folder / f"{ASIDE}{number}", self.path(number)
        with explained(f"version {number} was not exported", self.folder, disk=self._disk):
            self._clean()
            self._disk.make_folder(aside)
            for name, data in files.items():
                write_file(aside / name, data, lambda _: None, disk=self._disk)
            self._disk.sync_folder(aside)
            if self._disk.is_folder(path):
                self._disk.rename(path, self.folder / f"{ASIDE}old-{number}")
            self._disk.rename(aside, path)
            self._disk.sync_folder(self.folder)
            self._clean()
        return path

    def point_to(self, number: int) -> None:
        """Replicas follow this version from now on."""
        with explained("it was not said which version answers", self.folder, disk=self._disk):
            self._clean()
            aside = self.folder / f"{ASIDE}{CURRENT}"
            write_file(
                aside, json.dumps({"version": number}).encode() + b"\n", lambda _: None, disk=self._disk
            )
            self._disk.rename(aside, self.folder / CURRENT)
            self._disk.sync_folder(self.folder)

    def current(self) -> int | None:
        """The version that answers now; None where none was exported yet."""
        try:
            return int(json.loads(self._disk.read(self.folder / CURRENT))["version"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{self.folder / CURRENT} cannot be read: {error}") from error

    def note_publisher(self, number: int, name: str) -> None:
        """The publisher of this name knows this version."""
        with explained(f"it was not noted that version {number} is published", self.folder, disk=self._disk):
            replace_file(self.path(number) / PUBLISHER, name.encode(), disk=self._disk)

    def unknown_to(self, name: str) -> list[int]:
        """Complete versions that the publisher of this name was not told of, oldest first."""
        return [number for number in self.numbers() if self._publisher(number) != name]

    def _publisher(self, number: int) -> str | None:
        try:
            return self._disk.read(self.path(number) / PUBLISHER).decode(errors="replace")
        except OSError:
            return None

    def _clean(self) -> None:
        """Also makes the folder."""
        self._disk.ensure_folder(self.folder)
        for name in self._disk.names(self.folder):
            if name.startswith(ASIDE):
                _remove(self.folder / name, disk=self._disk)


def exported_in(folder: Path, *, disk: Disk) -> list[int]:
    """The numbers of the exported versions in a folder, oldest first."""
    names = disk.names(folder) if disk.is_folder(folder) else []
    return sorted(int(name) for name in names if name.isdigit() and disk.is_folder(folder / name))


def delete_exported(folder: Path, number: int, *, disk: Disk) -> None:
    """It is gone at once; what a crash leaves of it is deleted with the next write."""
    aside = folder / f"{ASIDE}old-{number}"
    with suppress(FileNotFoundError):
        disk.rename(folder / str(number), aside)
        _remove(aside, disk=disk)


def set_exported_aside(folder: Path, number: int, *, disk: Disk) -> None:
    """It goes with the weights of its version, which are of an abandoned future."""
    to = folder / ROLLED_BACK / str(number)
    if disk.is_folder(folder / str(number)):
        delete_exported(folder / ROLLED_BACK, number, disk=disk)
        disk.rename(folder / str(number), to)


def _remove(path: Path, *, disk: Disk) -> None:
    """Another thread may delete it as well."""
    with suppress(FileNotFoundError):
        if disk.is_folder(path):
            disk.remove_folder(path)
        else:
            disk.remove(path)
