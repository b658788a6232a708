"""What was durable outlives a power cut that takes all else; a disk that fails is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch

from streamlearner.errors import CheckpointError
from streamlearner.state.checkpoint import CheckpointStore
from streamlearner.state.disk import FileStatus
from streamlearner.state.versions import Version, Versions
from tests.lives.disk import SimulatedDisk
from tests.lives.faults import Fault, Killed
from tests.lives.outside import Outside
from tests.support.checkpoint_store import save, value_of

STATE = Path("/state")


class Merciless(Random):
    """Nothing that may be lost stays."""

    def choice(self, among: object) -> float:  # type: ignore[override]
        return 0.0


def a_disk() -> SimulatedDisk:
    return SimulatedDisk(Outside((), limit=1_000_000, seed=0), STATE, keep=3)


def a_store(disk: SimulatedDisk) -> CheckpointStore:
    return CheckpointStore(STATE / "checkpoints", keep=3, clock=lambda: 0.0, disk=disk)


def test_the_first_checkpoint_stays_with_the_folder_that_was_made_for_it() -> None:
    disk = a_disk()
    save(a_store(disk), 1)
    disk.power_cut(Merciless(0))
    assert value_of(a_store(disk).latest()) == 1


def test_a_folder_made_by_a_process_that_died_is_made_durable_by_the_next() -> None:
    disk = a_disk()
    disk.make_folder(STATE / "checkpoints")
    save(a_store(disk), 1)
    disk.power_cut(Merciless(0))
    assert value_of(a_store(disk).latest()) == 1


def test_a_rollback_and_what_is_pruned_stay_so() -> None:
    disk = a_disk()
    store = a_store(disk)
    for value in range(1, 6):
        save(store, value)
    store.prune()
    store.rollback(4)
    disk.power_cut(Merciless(0))
    assert value_of(a_store(disk).latest()) == 4


def test_a_model_version_stays_with_its_folder() -> None:
    disk = a_disk()
    Versions(STATE / "versions", keep=2, disk=disk).save(Version(1, "mlp", {"w": torch.ones(3)}))
    disk.power_cut(Merciless(0))
    kept = Versions(STATE / "versions", keep=2, disk=disk)
    assert kept.numbers() == [1] and kept.load(1).neocortex["w"].tolist() == [1, 1, 1]


class Killing(SimulatedDisk):
    """The process is killed before a folder of this name is synced."""

    before: str | None = None

    def sync_folder(self, path: Path) -> None:
        if path.name == self.before:
            self.outside.dead = Fault("kill", "disk", at=0)
        super().sync_folder(path)

    def kill(self, before: str, act: Callable[[], object]) -> None:
        self.before = before
        with pytest.raises(Killed):
            act()
        self.before = self.outside.dead = None


def test_what_a_start_goes_on_from_is_not_lost_though_a_kill_left_its_name_without_a_sync() -> None:
    disk = Killing(Outside((), limit=1_000_000, seed=0), STATE, keep=3)
    save(a_store(disk), 1)
    disk.kill("checkpoints", lambda: save(a_store(disk), 2))
    store = a_store(disk)
    store.make_durable()
    assert value_of(store.latest()) == 2
    disk.power_cut(Merciless(0))
    assert value_of(a_store(disk).latest()) == 2


def test_rollbacks_that_a_start_counts_are_not_forgotten_either() -> None:
    disk = Killing(Outside((), limit=1_000_000, seed=0), STATE, keep=3)
    versions = Versions(STATE / "versions", keep=2, disk=disk)
    versions.keep_rollbacks(1)
    disk.kill("versions", lambda: versions.keep_rollbacks(2))
    again = Versions(STATE / "versions", keep=2, disk=disk)
    again.make_durable()
    assert again.lineage().rollbacks == 2
    disk.power_cut(Merciless(0))
    assert Versions(STATE / "versions", keep=2, disk=disk).lineage().rollbacks == 2


class Unreadable(SimulatedDisk):
    """Where a disk fails, for the calls named."""

    failing: tuple[str, ...] = ()

    def status(self, path: Path) -> FileStatus:
        self._fail("status", path)
        return super().status(path)

    def names(self, folder: Path) -> list[str]:
        self._fail("names", folder)
        return super().names(folder)

    def is_folder(self, path: Path) -> bool:
        self._fail("is_folder", path)
        return super().is_folder(path)

    def _fail(self, call: str, path: Path) -> None:
        if call in self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def test_versions_whose_folder_cannot_be_read_are_an_error_at_the_start_that_says_so() -> None:
    disk = Unreadable(Outside((), limit=1_000_000, seed=0), STATE, keep=3)
    disk.failing = ("is_folder",)
    with pytest.raises(CheckpointError, match=r"versions cannot be made durable: .*EIO"):
        Versions(STATE / "versions", keep=2, disk=disk).make_durable()


@pytest.mark.parametrize("call", ["status", "names"])
def test_a_size_that_cannot_be_read_is_no_error_as_only_people_ask_for_it(call: str) -> None:
    disk = Unreadable(Outside((), limit=1_000_000, seed=0), STATE, keep=3)
    store = a_store(disk)
    save(store, 1)
    assert store.size_bytes() > 0
    disk.failing = (call,)
    assert store.size_bytes() == 0


def test_versions_that_cannot_be_listed_are_an_error_that_says_so() -> None:
    disk = Unreadable(Outside((), limit=1_000_000, seed=0), STATE, keep=3)
    versions = Versions(STATE / "versions", keep=2, disk=disk)
    versions.save(Version(1, "mlp", {"w": torch.ones(3)}))
    disk.failing = ("names",)
    with pytest.raises(CheckpointError, match=r"versions cannot be listed: .*EIO"):
        versions.numbers()
