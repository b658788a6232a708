"""Exported versions on the disk: whole or absent, and gone with their weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamlearner.errors import CheckpointError
from streamlearner.state.disk import LocalDisk
from streamlearner.state.published import Published
from streamlearner.state.versions import Version, Versions

FILES = {"model.pt2": b"weights", "model.json": b"{}"}


def a_version(number: int) -> Version:
    return Version(number, "mlp", {"weight": torch.full((2,), float(number))})


class Killed(Exception):
    pass


class DiskThatDies(LocalDisk):
    """The process ends at the n-th call that changes anything."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def create(self, path: Path):  # type: ignore[no-untyped-def]
        self._count()
        return super().create(path)

    def make_folder(self, path: Path) -> None:
        self._count()
        super().make_folder(path)

    def rename(self, path: Path, to: Path) -> None:
        self._count()
        super().rename(path, to)

    def remove_folder(self, path: Path) -> None:
        self._count()
        super().remove_folder(path)


def test_a_death_at_any_instant_leaves_a_version_whole_or_absent_and_the_next_run_finishes(
    tmp_path: Path,
) -> None:
    died = 0
    for calls in range(20):
        folder = tmp_path / str(calls)
        Published(folder).add(1, {"model.json": b"older"})
        try:
            published = Published(folder, disk=DiskThatDies(calls))
            published.add(1, FILES)
            published.add(2, FILES)
            published.point_to(2)
        except Killed:
            died += 1
        for number in Published(folder).numbers():
            held = {path.name: path.read_bytes() for path in (folder / str(number)).iterdir()}
            assert held in (FILES, {"model.json": b"older"}), f"after {calls} calls"
        pointed = Published(folder).current()
        assert pointed is None or pointed in Published(folder).numbers()
        Published(folder).add(2, FILES)
        Published(folder).point_to(2)
        left = sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
        assert left == [], f"after {calls} calls"
    assert died > 8


def test_exported_versions_go_with_their_weights(tmp_path: Path) -> None:
    versions, published = Versions(tmp_path, keep=2), Published(tmp_path)
    for number in (1, 2, 3):
        versions.save(a_version(number))
        published.add(number, FILES)
    versions.save(a_version(4))
    assert versions.numbers() == [3, 4]
    assert published.numbers() == [3]
    versions.forget_before(4)
    assert published.numbers() == []
    assert not list(tmp_path.glob(".export-*"))


def test_exported_versions_of_an_abandoned_future_are_set_aside_with_their_weights(tmp_path: Path) -> None:
    versions, published = Versions(tmp_path, keep=2), Published(tmp_path)
    for number in (1, 2, 3):
        versions.save(a_version(number))
        published.add(number, FILES)
    versions.set_aside_above(2)
    assert published.numbers() == [2]
    assert Published(tmp_path / "rolled-back").numbers() == [3]
    versions.forget_before(3)
    assert Published(tmp_path / "rolled-back").numbers() == []


def test_which_version_answers_is_said_whole_or_not_at_all(tmp_path: Path) -> None:
    published = Published(tmp_path)
    assert published.current() is None
    published.point_to(7)
    assert published.current() == 7
    (tmp_path / "current.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        published.current()


def test_a_disk_that_refuses_is_a_clear_error_and_the_version_before_stays(tmp_path: Path) -> None:
    class Full(LocalDisk):
        def create(self, path: Path):  # type: ignore[no-untyped-def]
            raise OSError(28, "No space left on device", str(path))

    Published(tmp_path).add(1, FILES)
    with pytest.raises(CheckpointError, match=r"version 2 was not exported.*No space left"):
        Published(tmp_path, disk=Full()).add(2, FILES)
    assert Published(tmp_path).numbers() == [1]
