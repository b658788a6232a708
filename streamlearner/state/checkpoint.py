"""Checkpoints that survive kill -9, full disks and altered bytes: save, verify, load, roll back, prune.

How a checkpoint appears and disappears: `numbered_folder.py`. What it holds, byte for byte: `manifest.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from streamlearner.errors import CheckpointError, NoReadableCheckpoint
from streamlearner.state.disk import LOCAL_DISK, Disk, FileStatus
from streamlearner.state.durable_files import FileDigest, read_file, write_file
from streamlearner.state.format_upgrade import NewerFormat, upgraded
from streamlearner.state.lock import StateLock
from streamlearner.state.manifest import MANIFEST, Manifest, canonical_json, problems_in, read_manifest
from streamlearner.state.numbered_folder import ROLLED_BACK, NumberedFolder
from streamlearner.state.tensor_files import SUFFIX, serialised
from streamlearner.stream import Position

__all__ = ["Checkpoint", "CheckpointStore", "CheckpointInfo", "Manifest", "StateLock"]

FACTS = "facts.json"


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """One line of `checkpoint list`; None is what an unreadable manifest cannot tell, `problem` says why."""

    number: int
    created: float | None
    examples: int | None
    size_bytes: int
    ok: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint: CPU tensors by file and name, as of today; `skipped`: newer, unreadable ones.
    `read_bytes`: of the files that were read, without the manifest."""

    number: int
    path: Path
    manifest: Manifest
    tensors: dict[str, dict[str, Tensor]]
    facts: dict[str, Any]
    skipped: tuple[CheckpointInfo, ...] = ()
    read_bytes: int = 0


class CheckpointStore:
    """The checkpoints in one folder; after `prune`, the last `keep` readable ones.

    A kill at any instant leaves the state before or after the call, and leftovers go at the next open.
    Reading may run beside a writer (`checkpoint list` beside the daemon). Roll back only under the
    `StateLock` of the state folder: a daemon that still runs would save its own, newer state over the one
    rolled back to.

    `clock` gives wall time in seconds since 1970. `fault` is called with the name of each step on the disk:
    tests crash there. Raises `CheckpointError` (what, where, how to mend) for whatever the disk refuses."""

    def __init__(
        self,
        folder: Path,
        *,
        keep: int,
        clock: Callable[[], float],
        code_version: str = "unknown",
        fault: Callable[[str], None] = lambda step: None,
        disk: Disk = LOCAL_DISK,
    ) -> None:
        if keep < 1:
            raise ValueError(f"checkpoint.keep is {keep}: expected at least 1")
        self._folder = NumberedFolder(folder, fault=fault, disk=disk)
        self._disk = disk
        self.keep = keep
        self._clock = clock
        self._code_version = code_version
        self._fault = fault
        self._verified: dict[int, list[tuple[str, FileStatus]]] = {}

    def save(
        self,
        *,
        tensors: Mapping[str, Mapping[str, Tensor]],
        facts: Mapping[str, Any],
        position: Position | None,
        method: str,
        config_digest: str,
        examples: int | None = None,
    ) -> int:
        """Writes a checkpoint and returns its number once it is durable.

        `tensors` is file name (letters, digits, `_`, `.`, `-`) to flat tensors of any key, shape, dtype and
        layout. Raises `ValueError` for what would not come back as it is, `CheckpointError` where the disk
        refuses; either way the earlier checkpoints are untouched and nothing is left over.
        """
        with self._folder.writing("the checkpoint was not written"):
            number = self._folder.next_number()
            with self._folder.adding(number) as aside:
                manifest = Manifest(
                    number=number,
                    created=self._clock(),
                    examples=examples,
                    method=method,
                    config_digest=config_digest,
                    code_version=self._code_version,
                    position=position,
                    files=self._write(aside, tensors, facts),
                )
                self._write_file(aside / MANIFEST, manifest.to_bytes())
        return number

    def latest(self, *, without: Collection[str] = ()) -> Checkpoint | None:
        """The newest readable checkpoint, the unreadable newer ones in `skipped`; None where there are none.
        Tensor files named in `without` are neither read nor verified. Raises `NoReadableCheckpoint` where
        some exist and none can be read, or later code wrote the newest: to start afresh, or further back, is
        for a person to say."""
        skipped: list[CheckpointInfo] = []
        for number in reversed(there := self._folder.numbers()):
            try:
                return replace(self.load(number, without=without), skipped=tuple(skipped))
            except NewerFormat:
                raise
            except CheckpointError:
                skipped.append(self._entry(number))
        if set(there) - set(self._folder.numbers()):  # pruned by a writer beside us: there are newer ones
            return self.latest(without=without)
        if skipped:
            problems = "; ".join(str(entry.problem) for entry in skipped)
            raise NoReadableCheckpoint(
                f"not one of the {len(skipped)} checkpoints in {self._folder.path} can be read ({problems}): "
                f"restore it from a backup, take one back from {ROLLED_BACK}/, or move it away to begin anew"
            )
        return None

    def make_durable(self) -> None:
        """What is there outlives a power cut, though a process was killed in mid-save."""
        self._folder.make_durable()

    def load(self, number: int, *, without: Collection[str] = ()) -> Checkpoint:
        """One checkpoint, verified, `without` these tensor files. Raises `CheckpointError` where it is
        absent, torn or altered."""
        path = self._existing(number)
        manifest = read_manifest(path, number, disk=self._disk)
        facts: dict[str, Any] = {}
        tensors: dict[str, dict[str, Tensor]] = {}
        read = {
            name: file for name, file in manifest.files.items() if name.removesuffix(SUFFIX) not in without
        }
        for name, expected in read.items():
            data = read_file(path / name, expected, disk=self._disk)
            if name == FACTS:
                facts = json.loads(data)
            else:
                tensors[name.removesuffix(SUFFIX)] = safetensors.torch.load(data)
        tensors, facts = upgraded(tensors, facts, format=manifest.format)
        read_bytes = sum(file.size_bytes for file in read.values())
        return Checkpoint(number, path, manifest, tensors, facts, read_bytes=read_bytes)

    def verify(self, number: int) -> list[str]:
        """Every problem of one checkpoint, in words; [] when each byte is as it was written."""
        return problems_in(self._existing(number), number, disk=self._disk)

    def entries(self) -> list[CheckpointInfo]:
        """All checkpoints, oldest first, each verified now."""
        entries = [self._entry(number) for number in self._folder.numbers()]
        there = self._folder.numbers()  # a writer beside us may have pruned one while we read it
        return [entry for entry in entries if entry.number in there]

    def oldest_position(self) -> Position | None:
        """That of the oldest readable checkpoint, if any: a source may release what lies before it."""
        with self._folder.explained("the oldest checkpoint cannot be found"):
            for number in self._folder.numbers():
                if self._is_readable(number):
                    path = self._folder.directory(number)
                    return read_manifest(path, number, disk=self._disk).position
        return None

    def rollback(self, number: int) -> None:
        """Makes checkpoint `number` the newest; all later ones move to `rolled-back/` atomically.

        Their numbers are not used again. Raises `CheckpointError` where `number` is absent or unreadable.
        """
        with self._folder.writing("the rollback did not happen"):
            if problems := self.verify(number):
                raise CheckpointError(f"checkpoint {number} cannot be rolled back to: {'; '.join(problems)}")
            self._folder.set_aside_above(number)

    def prune(self) -> list[int]:
        """Deletes what is older than the last `keep` readable checkpoints; returns the numbers deleted.
        Unreadable ones in between stay as evidence until they are that old. Of those set aside by rollbacks
        the last `keep` stay. Where nothing can be read nothing is deleted."""
        with self._folder.writing("pruning stopped half-way, nothing that is kept was touched"):
            before = self._folder.numbers()
            kept = [number for number in before if self._is_readable(number)][-self.keep :]
            self._folder.delete_below(min(kept, default=0), keep_aside=self.keep)
        self._verified = {number: seen for number, seen in self._verified.items() if number in kept}
        return [number for number in before if number < min(kept, default=0)]

    def size_bytes(self) -> int:
        """Bytes in all files of the folder, those set aside included."""
        return self._disk.size_bytes(self._folder.path)

    def _write(
        self, folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], facts: Mapping[str, Any]
    ) -> dict[str, FileDigest]:
        digests = {FACTS: self._write_file(folder / FACTS, canonical_json(dict(facts), "facts"))}
        for name in sorted(tensors):
            data = serialised(name, tensors[name])
            digests[name + SUFFIX] = self._write_file(folder / (name + SUFFIX), data)
        return digests

    def _write_file(self, path: Path, data: bytes | Sequence[memoryview]) -> FileDigest:
        return write_file(path, data, self._fault, disk=self._disk)

    def _existing(self, number: int) -> Path:
        if number not in (there := self._folder.numbers()):
            names = ", ".join(map(str, there)) or "none"
            raise CheckpointError(
                f"there is no checkpoint {number} in {self._folder.path}: there are {names}"
            )
        return self._folder.directory(number)

    def _entry(self, number: int) -> CheckpointInfo:
        path = self._folder.directory(number)
        problems = problems_in(path, number, disk=self._disk)
        created, examples = None, None
        with suppress(CheckpointError):
            manifest = read_manifest(path, number, disk=self._disk)
            created, examples = manifest.created, manifest.examples
        problem, size_bytes = "; ".join(problems) or None, self._disk.size_bytes(path)
        return CheckpointInfo(number, created, examples, size_bytes, problem is None, problem)

    def _is_readable(self, number: int) -> bool:
        """Verified now, or earlier and untouched since: or each prune would read `keep` checkpoints."""
        path = self._folder.directory(number)
        seen = [(name, self._disk.status(path / name)) for name in sorted(self._disk.names(path))]
        if self._verified.get(number) != seen and not problems_in(path, number, disk=self._disk):
            self._verified[number] = seen
        return self._verified.get(number) == seen
