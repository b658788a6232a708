"""Adopted model versions: immutable files that a rollback can return to.

000005.safetensors               one version
5/                               the same as files for other programs, where that is asked for (`published`)
rolled-back/000007.safetensors   of a future that a rollback to a checkpoint has abandoned: never loaded again
lineage.json                     the numbers that such futures had: none of them is used again
lineage.json.unreadable-1        what is left of one that was damaged beyond reading
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from streamlearner.errors import CheckpointError
from streamlearner.state.disk import LOCAL_DISK, Disk
from streamlearner.state.durable_files import explained, write_file
from streamlearner.state.format_upgrade import FORMAT, check_format, upgraded_tensors
from streamlearner.state.lineage import Lineage as Lineage
from streamlearner.state.numbered_folder import ROLLED_BACK
from streamlearner.state.published import delete_exported, exported_in, set_exported_aside
from streamlearner.state.tensor_files import SUFFIX, metadata_of

log = logging.getLogger(__name__)

ASIDE = ".tmp-"
LINEAGE = "lineage.json"
UNREADABLE = f"{LINEAGE}.unreadable-"
SKIPPED = 1_000
"""Rollbacks, for each such file: more than anyone makes between two of them."""
DESCRIPTION = "description"
"""Key of a file's metadata: JSON with `format`, `network` and `sha256`, which the first files did not have.
Format 1 had at most the key `network`."""


@dataclass(frozen=True, slots=True)
class Version:
    """An adopted neocortex by tensor name, and which network it is; None: not written down."""

    number: int
    network: str | None
    neocortex: dict[str, Tensor]


class Versions:
    """One safetensors file for each adopted neocortex, the last `keep` of them, in `folder`.

    A version that is written again (its sleep was run again after a crash) replaces a file of equal
    content. Raises `CheckpointError` where the disk refuses, `LookupError` for a version that is not kept.
    """

    def __init__(self, folder: Path, *, keep: int, disk: Disk = LOCAL_DISK) -> None:
        self.folder = folder
        self.keep = keep
        self._disk = disk

    def numbers(self) -> list[int]:
        """The versions kept, oldest first."""
        with explained("the model versions cannot be listed", self.folder, disk=self._disk):
            return [_number(name) for name in self._kept(self.folder)]

    def save(self, version: Version) -> None:
        """Durable when it returns; then forgets the oldest beyond `keep`."""
        number = version.number
        tensors = {name: t.detach().cpu().contiguous().clone() for name, t in version.neocortex.items()}
        described = {"format": FORMAT, "network": version.network, "sha256": _seal(tensors, version.network)}
        # one key: of several, safetensors keeps no order, and equal versions are to be equal files
        metadata = {DESCRIPTION: json.dumps(described)}
        with self._writing(f"model version {number} was not written to"):
            self._replace(self._path(number), safetensors.torch.save(tensors, metadata))
            left_behind = [name for name in self._disk.names(self.folder) if name.startswith(ASIDE)]
            for old in (*self._kept(self.folder)[: -self.keep], *left_behind):  # left by a crash
                self._disk.remove(self.folder / old)
            self._delete_exported_beside(self.folder)

    def _delete_exported_beside(self, folder: Path) -> None:
        """Exported versions go with their weights."""
        kept = {int(name.removesuffix(SUFFIX)) for name in self._kept(folder)}
        for number in exported_in(folder, disk=self._disk):
            if number not in kept:
                delete_exported(folder, number, disk=self._disk)

    def make_durable(self) -> None:
        """What is there outlives a power cut, though a process was killed while it wrote."""
        with explained("the model versions cannot be made durable", self.folder, disk=self._disk):
            if self._disk.is_folder(self.folder):
                self._disk.sync_folder(self.folder)
                self._disk.sync_folder(self.folder.parent)

    def lineage(self) -> Lineage:
        """What was used up, as far as rollbacks to checkpoints are concerned. Where the file of it is damaged
        beyond reading, more than that: the next rollbacks have numbers that no one before can have had."""
        path = self.folder / LINEAGE
        try:
            return Lineage.from_bytes(self._disk.read(path))
        except FileNotFoundError:
            return Lineage()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error
        except ValueError as error:
            rollbacks = SKIPPED * (1 + len(self._unreadable()))
            log.error("%s is damaged (%s): rollbacks are counted from %d on", path, error, rollbacks)
            there = (*self.numbers(), *map(_number, self._kept(self.folder / ROLLED_BACK)))
            return Lineage(max(there, default=0), rollbacks)

    def _unreadable(self) -> list[str]:
        return [name for name in self._disk.names(self.folder) if name.startswith(UNREADABLE)]

    def use_up(self, lineage: Lineage) -> None:
        """Durable when it returns: what `lineage` names is never used again."""
        with self._writing("the rollback did not happen in"):
            if self._is_unreadable():
                aside = f"{UNREADABLE}{len(self._unreadable()) + 1}"
                self._disk.rename(self.folder / LINEAGE, self.folder / aside)
            self._replace(self.folder / LINEAGE, lineage.to_bytes())

    def keep_rollbacks(self, count: int) -> None:
        """So many have been, whatever becomes of the checkpoints that say so: each gave a name to a model."""
        if count and count > (used := self.lineage()).rollbacks:
            self.use_up(replace(used, rollbacks=count))

    def _is_unreadable(self) -> bool:
        try:
            Lineage.from_bytes(self._disk.read(self.folder / LINEAGE))
        except FileNotFoundError:
            return False
        except ValueError:
            return True
        return False

    def forget_before(self, number: int) -> None:
        """Deletes earlier versions, those set aside among them."""
        aside = self.folder / ROLLED_BACK
        doomed = [self._path(earlier) for earlier in self.numbers() if earlier < number]
        doomed += [path for path in aside.glob("*.safetensors")] if number else []
        if doomed:
            with self._writing("earlier model versions cannot be deleted in"):
                for path in doomed:
                    path.unlink(missing_ok=True)
                for folder in (self.folder, aside):
                    self._delete_exported_beside(folder)

    def set_aside_above(self, newest: int) -> Lineage:
        """The history goes on from version `newest`: later ones are of another future, or, where it is the
        very next, of a sleep that a crash has cut off before its checkpoint and that comes to it again. They
        go to `rolled-back/`, the last `keep` of them. Returns what is used up."""
        later, used = [number for number in self.numbers() if number > newest], self.used(newest)
        former = self.lineage()
        if later:
            with self._writing("later model versions cannot be set aside in"):
                aside = self.folder / ROLLED_BACK
                self._disk.ensure_folder(aside)
                for number in later:
                    self._disk.rename(self._path(number), aside / self._path(number).name)
                    set_exported_aside(self.folder, number, disk=self._disk)
                for old in self._kept(aside)[: -self.keep]:
                    self._disk.remove(aside / old)
                self._delete_exported_beside(aside)
                self._disk.sync_folder(aside)
        if used != former:
            self.use_up(used)
        return used

    def used(self, newest: int) -> Lineage:
        """What is used up, where the history goes on from version `newest`: versions of another future, too,
        that were not set aside."""
        used, last = self.lineage(), max(self.numbers(), default=0)
        return Lineage(max(used.newest, last), used.rollbacks) if last > newest + 1 else used

    def _replace(self, path: Path, data: bytes) -> None:
        aside = self.folder / f"{ASIDE}{path.stem.lstrip('0')}"
        with suppress(FileNotFoundError):
            self._disk.remove(aside)
        write_file(aside, data, lambda step: None, disk=self._disk)
        self._disk.rename(aside, path)

    @contextmanager
    def _writing(self, failure: str) -> Iterator[None]:
        """What its body does to the folder is on the disk afterwards."""
        try:
            self._disk.ensure_folder(self.folder)
            yield
            self._disk.sync_folder(self.folder)
            self._disk.sync_folder(self.folder.parent)  # in which it may be new
        except OSError as error:
            raise CheckpointError(f"{failure} {self.folder}: {error}") from error

    def load(self, number: int) -> Version:
        """A version as it was adopted, under today's names. Raises `NewerFormat` for one of later code."""
        path = self._path(number)
        try:
            data = self._disk.read(path)
            tensors = safetensors.torch.load(data)
            metadata = metadata_of(data)
            described = dict(json.loads(metadata.get(DESCRIPTION, "{}")))
        except FileNotFoundError:
            kept = self.numbers() or "none yet"
            raise LookupError(f"model version {number} is not kept; kept are {kept}") from None
        except (OSError, SafetensorError, ValueError) as error:
            raise CheckpointError(f"model version {number} in {path} cannot be read: {error}") from error
        format, network = described.get("format", 1), described.get("network", metadata.get("network"))
        check_format(format, path=path, written_by="a later version")
        if "sha256" in described and described["sha256"] != _seal(tensors, network):
            raise CheckpointError(f"model version {number} in {path} is altered: it is not what was adopted")
        return Version(number, network, upgraded_tensors(tensors, format=format))

    def _kept(self, folder: Path) -> list[str]:
        """Names of the versions in a folder, oldest first."""
        there = self._disk.names(folder) if self._disk.is_folder(folder) else []
        stems = [name.removesuffix(SUFFIX) for name in there if name.endswith(SUFFIX)]
        return [stem + SUFFIX for stem in sorted(filter(str.isdigit, stems), key=int)]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}{SUFFIX}"


def _number(name: str) -> int:
    return int(name.removesuffix(SUFFIX))


def _seal(tensors: Mapping[str, Tensor], network: str | None) -> str:
    """A digest of what a version holds: another bit on the disk must not be served as the version adopted."""
    return hashlib.sha256(f"{network}\n".encode() + safetensors.torch.save(dict(tensors))).hexdigest()
