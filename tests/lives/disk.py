"""A disk in memory, whose calls fail or are the last ones where a plan says so."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from streamlearner.state.disk import Disk, FileStatus
from tests.lives.faults import DEADLY, ERRORS, Killed
from tests.lives.outside import Outside
from tests.lives.page_cache import Change, Edit, File, Folder, apply, flip, settle


class SimulatedDisk(Disk):
    """`pending` are changes of names that no sync has covered. At first there is one folder. Of the newest
    `keep` checkpoints one is never damaged."""

    def __init__(self, outside: Outside, folder: Path, *, keep: int) -> None:
        self.outside = outside
        self.keep = keep
        self.root = above = Folder()
        for name in folder.parts[1:]:
            made = Folder()
            above.names[name] = above.durable[name] = made
            above = made
        self.pending: list[Change] = []
        self.wanted: str | None = None  # the path of a folder that is never damaged

    # the contract

    @contextmanager
    def create(self, path: Path) -> Iterator[_Opened]:
        self.call(path, needs_space=True)
        parent, name = self._parent(path)
        if name in parent.names:
            raise _error(errno.EEXIST, path)
        made = File(modified_ns=self._now_ns())
        self._change(made, (parent, name, made))
        yield _Opened(self, made, path)

    def note(self, path: Path) -> _Note:
        self.call(path)
        parent, name = self._parent(path)
        if name not in parent.names:
            self._change(made := File(), (parent, name, made))
        return _Note(self, self._file(path), path)

    def read(self, path: Path) -> bytes:
        self.call(path)
        return bytes(self._file(path).data)

    def status(self, path: Path) -> FileStatus:
        self.call(path)
        found = self._find(path)
        if isinstance(found, Folder):
            return FileStatus(4096, 0, found.inode)
        return FileStatus(len(found.data), found.modified_ns, found.inode)

    def is_folder(self, path: Path) -> bool:
        self.call(path)
        try:
            return isinstance(self._find(path), Folder)
        except FileNotFoundError:
            return False

    def names(self, folder: Path) -> list[str]:
        self.call(folder)
        there = list(self._folder(folder).names)
        self.outside.rng.shuffle(there)
        return there

    def make_folder(self, path: Path) -> None:
        self.call(path, needs_space=True)
        parent = self.root
        *above, name = path.parts[1:]
        for part in above:
            if part not in parent.names:
                self._change(made := Folder(), (parent, part, made))
            parent = _as_folder(parent.names[part], path)
        if name in parent.names:
            raise _error(errno.EEXIST, path)
        self._change(made := Folder(), (parent, name, made))

    def rename(self, path: Path, to: Path) -> None:
        self.call(path, needs_space=True)
        found, (before, name), (after, new) = self._find(path), self._parent(path), self._parent(to)
        there = after.names.get(new)
        if isinstance(there, Folder) and there.names:
            raise _error(errno.ENOTEMPTY, to)
        self._change(found, (before, name, None), (after, new, found))

    def remove(self, path: Path) -> None:
        self.call(path)
        self._change(self._file(path), (*self._parent(path), None))

    def remove_folder(self, path: Path) -> None:
        folder = self._folder(path)
        for name in sorted(folder.names):
            if isinstance(found := folder.names[name], Folder):
                self.remove_folder(path / name)
            else:
                self.call(path / name)
                self._change(found, (folder, name, None))
        self.call(path)
        self._change(folder, (*self._parent(path), None))

    def sync_folder(self, path: Path) -> None:
        self.call(path)
        folder = self._folder(path)
        covered: list[Change] = []
        moved: set[int] = set()  # by an earlier change, which a journal then has, too
        for change in reversed(self.pending):
            if id(change.moved) in moved or any(edit[0] is folder for edit in change.edits):
                moved.add(id(change.moved))
                covered.append(change)
        self.pending = [change for change in self.pending if change not in covered]
        for change in reversed(covered):
            apply(change.edits, durable=True)

    @contextmanager
    def lock(self, path: Path) -> Iterator[None]:
        self.call(path)
        parent, name = self._parent(path)
        if name not in parent.names:
            self._change(made := File(), (parent, name, made))
        yield

    def free_bytes(self, folder: Path) -> int:
        self.call(folder)
        return 0

    # faults

    def call(self, path: Path, *, needs_space: bool = False) -> None:
        fault = self.outside.act("disk")
        if fault is None:
            return
        if fault.kind == "flip":
            flip(self.root, Random(fault.chance), keep=self.keep, wanted=self.wanted)
        elif fault.kind == "broken" or needs_space:
            raise _error(ERRORS[fault.kind], path)

    def power_cut(self, rng: Random) -> None:
        """Leaves what is durable, and of the rest what chance leaves."""
        share = rng.choice((0.0, 0.5, 0.9, 1.0))
        lost: set[int] = set()
        for change in self.pending:
            if rng.random() < share and id(change.moved) not in lost:
                apply(change.edits, durable=True)
            else:
                lost.add(id(change.moved))
        self.pending = []
        settle(self.root, rng, share)

    def write(self, file: File, path: Path, data: memoryview) -> int:
        fault = self.outside.call("disk")
        taken = len(data)
        if fault is not None and fault.kind in (*DEADLY, "full", "broken"):
            taken = Random(fault.chance).randrange(taken)
        file.data += data[:taken]
        file.modified_ns = self._now_ns()
        if self.outside.dead:
            raise Killed
        if taken < len(data) and fault is not None:
            raise _error(ERRORS[fault.kind], path)
        return taken

    def sync(self, file: File, path: Path) -> None:
        fault = self.outside.act("disk")
        if fault is not None and fault.kind in ("full", "broken"):
            file.gone = len(file.data)  # the cache holds them clean from here on
            raise _error(ERRORS[fault.kind], path)
        file.synced = len(file.data)

    # names

    def _find(self, path: Path) -> File | Folder:
        found: File | Folder = self.root
        for name in path.parts[1:]:
            below = found.names.get(name) if isinstance(found, Folder) else None
            if below is None:
                raise _error(errno.ENOENT, path)
            found = below
        return found

    def _folder(self, path: Path) -> Folder:
        return _as_folder(self._find(path), path)

    def _file(self, path: Path) -> File:
        found = self._find(path)
        if isinstance(found, Folder):
            raise _error(errno.EISDIR, path)
        return found

    def _parent(self, path: Path) -> tuple[Folder, str]:
        return self._folder(path.parent), path.name

    def _change(self, moved: File | Folder, *edits: Edit) -> None:
        apply(edits, durable=False)
        self.pending.append(Change(moved, edits))

    def _now_ns(self) -> int:
        return int((self.outside.now_s + self.outside.day_s) * 1e9)


@dataclass(frozen=True, slots=True)
class _Opened:
    disk: SimulatedDisk
    file: File
    path: Path

    def write(self, data: memoryview, /) -> int:
        return self.disk.write(self.file, self.path, data)

    def sync(self) -> None:
        self.disk.sync(self.file, self.path)


@dataclass(frozen=True, slots=True)
class _Note:
    disk: SimulatedDisk
    file: File
    path: Path

    def read(self) -> bytes:
        self.disk.call(self.path)
        return bytes(self.file.data)

    def write(self, data: bytes, /) -> None:
        self.disk.call(self.path, needs_space=True)
        self.file.data[: len(data)] = data

    def close(self) -> None:
        """Nothing is held."""


def _as_folder(found: File | Folder, path: Path) -> Folder:
    if isinstance(found, File):
        raise _error(errno.ENOTDIR, path)
    return found


def _error(code: int, path: Path) -> OSError:
    return OSError(code, os.strerror(code), str(path))
