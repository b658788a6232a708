"""Exports follow adopted versions beside the learning loop, which never waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streamlearner.daemon.exports import Exports, Report
from streamlearner.state.published import Published
from streamlearner.telemetry.metrics import Metrics
from tests.support.patience import wait_until

FILES = {"model.json": b"{}"}
DONE: Report = {"exported": "1.100", "seconds": 1.0}


class Work:
    """Stands for the process: exports what it is asked for, as a test lets it."""

    def __init__(self, folder: Path) -> None:
        self.published = Published(folder)
        self.asked: list[int] = []
        self.told: list[int] = []
        self.publication: Report = {"unpublished": "mlflow: ConnectionError: nobody"}
        self.reports: list[Report] = [DONE]
        self.may = threading.Event()
        self.ended = 0

    def export(self, version: int) -> Generator[Report]:
        self.asked.append(version)
        return self._do(version, self.reports)

    def publish(self, version: int) -> Generator[Report]:
        self.told.append(version)
        return self._do(version, [self.publication])

    def _do(self, version: int, reports: list[Report]) -> Generator[Report]:
        try:
            assert self.may.wait(30)
            for report in reports:
                if "exported" in report:
                    self.published.add(version, FILES)
                yield report
        finally:
            self.ended += 1

    def end(self) -> None:
        self.may.set()


class Following:
    def __init__(self, folder: Path, *, publisher: str | None = None) -> None:
        self.registry = CollectorRegistry()
        self.work = Work(folder)
        self.exports = Exports(
            published=self.work.published,
            exporting=self.work,
            metrics=Metrics(self.registry),
            publisher=publisher,
            retry_s=0.05,
        )

    def count(self, series: str, outcome: str) -> float | None:
        return self.registry.get_sample_value(f"streamlearner_{series}_total", {"outcome": outcome})

    def until(self, holds: Callable[[], object]) -> None:
        wait_until(holds, f"asked for {self.work.asked}")


@pytest.fixture
def following(tmp_path: Path) -> Generator[Following]:
    made = Following(tmp_path)
    yield made
    made.work.may.set()
    made.exports.stop()


def test_an_adopted_version_is_exported_once_and_then_pointed_to(following: Following) -> None:
    following.work.may.set()
    following.exports.follow(0)
    for _ in range(3):
        following.exports.follow(1)
    following.until(lambda: following.registry.get_sample_value("streamlearner_exported_version") == 1)
    assert following.work.published.current() == 1
    assert following.work.asked == [1]
    assert following.count("exports", "exported") == 1


def test_learning_goes_on_while_a_version_is_exported_and_only_the_newest_is_next(
    following: Following,
) -> None:
    following.exports.follow(1)
    following.until(lambda: following.work.asked == [1])
    for version in (2, 3, 4):
        following.exports.follow(version)
    following.work.may.set()
    following.until(lambda: following.work.published.current() == 4)
    assert following.work.asked == [1, 4]


def test_after_a_rollback_replicas_are_pointed_to_what_is_there(following: Following) -> None:
    following.work.may.set()
    for version in (1, 2):
        following.exports.follow(version)
        following.until(lambda version=version: following.work.published.current() == version)  # type: ignore[misc]
    following.exports.follow(1)
    following.until(lambda: following.work.published.current() == 1)
    assert following.work.asked == [1, 2]


def test_a_version_that_cannot_be_exported_is_told_of_once_and_the_next_one_is_tried(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    following.work.may.set()
    following.work.reports = [{"failed": "no graph"}]
    for _ in range(3):
        following.exports.follow(1)
    following.until(lambda: following.count("exports", "failed") == 1)
    assert "model version 1 was not exported: no graph" in caplog.text
    assert following.work.published.current() is None
    following.work.reports = [DONE]
    following.exports.follow(2)
    following.until(lambda: following.work.published.current() == 2)
    assert following.work.asked == [1, 2]


def test_a_publisher_that_fails_is_counted_and_the_version_is_served_all_the_same(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    following.work.may.set()
    following.work.reports = [DONE, {"unpublished": "mlflow: ConnectionError: nobody"}]
    following.exports.follow(1)
    following.until(lambda: following.count("publications", "failed") == 1)
    assert following.work.published.current() == 1
    assert "was not published: mlflow: ConnectionError: nobody" in caplog.text


@pytest.mark.parametrize("restarted", [False, True])
def test_what_could_not_be_published_is_published_later_without_another_export(
    tmp_path: Path, restarted: bool
) -> None:
    following = Following(tmp_path, publisher="mlflow")
    following.work.may.set()
    following.work.reports = [DONE, following.work.publication]
    following.exports.follow(1)
    following.until(lambda: following.work.told.count(1) >= 2)
    if restarted:
        following.exports.stop()
        following = Following(tmp_path, publisher="mlflow")
        following.work.may.set()
    following.work.publication = {"published": "mlflow"}
    following.exports.follow(1)
    following.until(lambda: following.count("publications", "published") == 1)
    following.until(lambda: following.work.published.unknown_to("mlflow") == [])
    tried = len(following.work.told)
    following.work.reports = [DONE, {"published": "mlflow"}]
    following.exports.follow(2)
    following.until(lambda: following.count("publications", "published") == 2)
    following.exports.stop()
    assert following.work.asked == [2] if restarted else [1, 2]
    assert len(following.work.told) == tried, "what is published is not published again"
    assert following.work.published.unknown_to("another") == [1, 2]


def test_an_error_of_the_process_itself_ends_nothing_but_this_export(following: Following) -> None:
    following.work.may.set()
    following.work.reports = [{"exported": "1.100"}]  # without the seconds
    following.exports.follow(1)
    following.until(lambda: following.count("exports", "failed") == 1)
    following.work.reports = [DONE]
    following.exports.follow(2)
    following.until(lambda: following.work.published.current() == 2)


def test_stopping_ends_what_is_under_way_and_says_nothing_of_it(following: Following) -> None:
    following.work.reports = [{"failed": "its process ended with -9"}]
    following.exports.follow(1)
    following.until(lambda: following.work.asked == [1])
    following.exports.stop()
    assert following.work.ended == 1
    assert following.count("exports", "failed") == 0
