"""Where a replica looks for versions, and what it says while there are none."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from streamlearner.app.replica import build_replica
from streamlearner.config.given import load_config
from streamlearner.errors import CheckpointError
from streamlearner.replicas.following import Follower
from streamlearner.replicas.location import Location


def test_a_folder_that_there_is_not_is_a_failure_and_one_without_versions_is_not(tmp_path: Path) -> None:
    location = Location(str(tmp_path / "mistyped"))
    with pytest.raises(CheckpointError, match="mistyped: there is no such folder"):
        location.current()
    (tmp_path / "mistyped").mkdir()
    assert location.current() is None


def test_that_nothing_is_published_yet_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    follower = Follower(Location(str(tmp_path)), take=lambda followed: None)
    assert [follower.look(), follower.look()] == [False, False]
    assert caplog.text.count("nothing is published") == 1


def test_a_failure_that_passed_is_not_told_of_any_more_and_told_again_when_it_comes_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    replica = build_replica(load_config({"serving.port": 0}), where=str(tmp_path), every_s=1.0)
    for _ in range(2):
        for _ in range(2):
            replica.failed("the server is away")
        replica.follower.look()
    assert caplog.text.count("the server is away") == 2
    replica.serving.stop()
