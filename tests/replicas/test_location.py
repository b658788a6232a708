"""Where a replica looks for versions, and what it says while there are none."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from streamlearner.app.replica import build_replica
from streamlearner.config.given import load_config
from streamlearner.errors import CheckpointError
from streamlearner.replicas.following import Follower
from streamlearner.replicas.location import Location
from tests.support.replicas import running_replica


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


def test_a_replica_that_is_to_make_its_token_makes_it(tmp_path: Path) -> None:
    """As in the image, whose settings say so: nobody could have asked it for more than health."""
    settings = {"serving.make_token": True, "state_dir": str(tmp_path / "state")}
    with running_replica(tmp_path, settings) as made:
        token = (tmp_path / "state" / "token").read_text().strip()
        assert stat.S_IMODE((tmp_path / "state" / "token").stat().st_mode) == 0o600
        assert made.client.get("/v1/status").status_code == 401
        allowed = made.client.get("/v1/status", headers={"authorization": f"Bearer {token}"})
        assert allowed.status_code == 200
