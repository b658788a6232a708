"""What is kept is readable by its owner only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamlearner import MemorySource, Message, build, encode
from streamlearner.state.private import OURS, make_private, private_files

FAST = {"serving.port": 0, "daemon.at_end": "exit", "threads": 1}
SLEEPY = {"sleep.every_examples": 20, "sleep.min_examples": 10, "sleep.steps": 5, "sleep.tolerance": 1.0}


@pytest.fixture(autouse=True)
def generous_umask() -> Iterator[None]:
    former = os.umask(0o002)
    yield
    os.umask(former)


def modes(folder: Path) -> dict[str, int]:
    """Of everything in it, and of itself, by path."""
    paths = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in paths}


def readable_by_others(folder: Path) -> list[str]:
    return [name for name, mode in modes(folder).items() if mode & 0o077]


def run_once(folder: Path) -> None:
    """A daemon that learns, sleeps, rejects and saves."""
    messages = [Message(b"no image", topic="pictures", partition=0, offset=0)]
    for number in range(1, 60):
        image = np.full((8, 8), 20 + 200 * (number % 2), dtype=np.uint8)
        value, headers = encode(image, label=["dark", "light"][number % 2])
        messages.append(Message(value, topic="pictures", partition=0, offset=number, headers=headers))
    settings = {"state_dir": str(folder), "serving.make_token": True} | FAST | SLEEPY
    build(settings, source=MemorySource(messages)).run()


def test_all_that_a_daemon_keeps_is_its_owners_only(tmp_path: Path) -> None:
    run_once(tmp_path / "state")
    found = modes(tmp_path / "state")
    assert {"checkpoints", "versions", "dead-letters/dead_letters.jsonl", "lock", "token"} <= found.keys()
    assert set(found.values()) == {0o600, 0o700}


def test_all_that_a_daemon_keeps_is_known_to_be_its_own(tmp_path: Path) -> None:
    """Else its folder would be taken for one of the user's, and stay as readable as it is."""
    for settings in ({"source.type": "push"}, {"source.type": "push", "labels.budget_bits": 8 * 2**20}):
        build({"state_dir": str(tmp_path), "serving.port": 0} | settings).close()
    run_once(tmp_path)
    names = {name.lstrip(".") for name in os.listdir(tmp_path)}
    assert {"checkpoints", "learning", "batch_ends", "push.sqlite"} <= names
    assert {name for name in names if not name.startswith(OURS)} == set()


def test_so_is_the_log_of_pushed_examples(tmp_path: Path) -> None:
    daemon = build({"state_dir": str(tmp_path / "state"), "serving.port": 0, "source.type": "push"})
    names = {name for name in modes(tmp_path / "state") if name.startswith("push.sqlite")}
    found = readable_by_others(tmp_path / "state")
    daemon.close()
    assert {"push.sqlite", "push.sqlite-wal", "push.sqlite-shm"} <= names
    assert found == []


def test_what_a_former_version_left_open_is_closed_by_the_next_start(tmp_path: Path) -> None:
    state = tmp_path / "state"
    run_once(state)
    for path in (state, *state.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert readable_by_others(state)
    build({"state_dir": str(state)} | FAST, source=MemorySource([])).close()
    assert readable_by_others(state) == []


def test_a_folder_of_the_users_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir(mode=0o755)
    (tmp_path / "script.sh").write_text("true")
    (tmp_path / "script.sh").chmod(0o755)
    (tmp_path / "versions").symlink_to(tmp_path / "script.sh")
    tmp_path.chmod(0o755)
    make_private(tmp_path)
    assert modes(tmp_path) == {".": 0o755, "checkpoints": 0o700, "script.sh": 0o755, "versions": 0o777}


def test_files_of_the_process_are_as_before_once_the_daemon_is_closed(tmp_path: Path) -> None:
    with private_files():
        (tmp_path / "inside").touch()
    (tmp_path / "after").touch()
    assert (modes(tmp_path)["inside"], modes(tmp_path)["after"]) == (0o600, 0o664)
