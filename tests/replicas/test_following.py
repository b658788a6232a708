"""A replica follows what is published: each version whole, warm, and none that is damaged."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from streamlearner.errors import CheckpointError, ConfigError
from streamlearner.export.exported import Exported
from streamlearner.replicas import Followed, Follower, Location, NotServed, predictor_of
from streamlearner.state.published import Published
from tests.support.exports import tiny_version

QUERY = torch.tensor([[1.0, 2.0, 0.5]])


@functools.cache
def version(number: int) -> Exported:
    return tiny_version(number)


def publish(folder: Path, number: int) -> Exported:
    published = Published(folder)
    published.add(number, version(number).files)
    published.point_to(number)
    return version(number)


class Taken:
    """What a follower hands over, and what it says of failures."""

    def __init__(self, where: str) -> None:
        self.versions: list[Followed] = []
        self.failures: list[str] = []
        self.follower = Follower(Location(where), take=self.versions.append, failed=self.failures.append)


def test_each_version_is_handed_over_once_and_an_earlier_one_again_after_a_rollback(tmp_path: Path) -> None:
    taken = Taken(str(tmp_path))
    assert not taken.follower.look()
    for number in (1, 2):
        publish(tmp_path, number)
        assert taken.follower.look()
        assert not taken.follower.look()
    Published(tmp_path).point_to(1)
    assert taken.follower.look()
    assert [each.card.version for each in taken.versions] == [1, 2, 1]
    first, second, third = (each.predictor.predict_proba(QUERY) for each in taken.versions)
    assert not torch.equal(first, second)
    assert torch.equal(first, third)


def test_a_state_folder_is_followed_from_before_its_first_version(tmp_path: Path) -> None:
    taken = Taken(str(tmp_path))
    assert not taken.follower.look()
    publish(tmp_path / "versions", 1)
    assert taken.follower.look()


def test_a_folder_without_a_pointer_is_followed_to_its_newest_version(tmp_path: Path) -> None:
    for number in (2, 10):
        Published(tmp_path).add(number, version(1).files if number == 2 else version(2).files)
    assert Location(str(tmp_path)).current() == 10


def test_an_exported_version_has_labels_version_and_route_of_what_was_exported(tmp_path: Path) -> None:
    made = publish(tmp_path, 1)
    location = Location(str(tmp_path))
    predictor = predictor_of(location, location.card(1))
    (answer,) = predictor.predict(QUERY, probabilities=True)
    assert set(answer.probabilities or {}) == {"low", "high"}
    assert (str(predictor.version), answer.route) == (made.card.model_version, "statistics")


@pytest.mark.parametrize("name", ["model.pt2", "model.json"])
def test_a_damaged_version_is_not_taken_and_the_one_before_stays_until_it_is_mended(
    tmp_path: Path, name: str
) -> None:
    taken = Taken(str(tmp_path))
    publish(tmp_path, 1)
    taken.follower.look()
    publish(tmp_path, 2)
    path = tmp_path / "2" / name
    right = path.read_bytes()
    path.write_bytes(right[: len(right) // 2])
    with pytest.raises(CheckpointError, match=r"torn or altered|no model card"):
        taken.follower.look()
    path.write_bytes(right)
    assert taken.follower.look()
    assert [each.card.version for each in taken.versions] == [1, 2]


def test_a_version_that_was_deleted_is_a_failure_that_passes(tmp_path: Path) -> None:
    taken = Taken(str(tmp_path))
    publish(tmp_path, 1)
    Published(tmp_path).point_to(3)
    with pytest.raises(CheckpointError, match=r"3/model\.json cannot be read"):
        taken.follower.look()
    publish(tmp_path, 2)
    assert taken.follower.look()


def test_a_thread_follows_and_tells_of_failures(tmp_path: Path) -> None:
    came, failed = threading.Event(), threading.Event()
    follower = Follower(
        Location(str(tmp_path)), take=lambda _: came.set(), failed=lambda _: failed.set(), every_s=0.02
    )
    follower.start()
    try:
        Published(tmp_path).point_to(1)
        assert failed.wait(30)
        publish(tmp_path, 1)
        assert came.wait(60)
        assert follower.seen_age_s is not None
    finally:
        follower.stop()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The folder over HTTP, by a server that knows nothing of versions."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_url_of_any_file_server_is_followed(tmp_path: Path, served: str) -> None:
    taken = Taken(f"{served}/out/")
    assert not taken.follower.look()
    for number in (1, 2):
        publish(tmp_path / "out", number)
        assert taken.follower.look()
    assert [each.card.version for each in taken.versions] == [1, 2]


def test_a_url_of_files_is_followed_as_the_folder(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    assert Taken(tmp_path.as_uri()).follower.look()


def test_a_server_that_is_away_is_a_failure_that_passes() -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        Location("http://127.0.0.1:9/versions").current()


def test_a_url_that_nothing_here_reads_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="gopher"):
        Location("gopher://host/versions")


def test_a_version_in_formats_that_nothing_here_runs_is_not_served(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    location = Location(str(tmp_path))
    with pytest.raises(NotServed, match="version 1 is there as torch"):
        predictor_of(location, location.card(1), formats=("onnx",))
