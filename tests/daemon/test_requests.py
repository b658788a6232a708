"""Between serving's threads and the learning thread: what is asked, answered, given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.requests import HANGS_AFTER_S, PUBLISH_EVERY_S, Reception
from streamlearner.serving import Unavailable
from tests.support.daemon_runs import a_stream, settings


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    """Never run: the tests are its learning thread. It has learned one batch."""
    daemon = build(settings(tmp_path), source=MemorySource(a_stream(20)))
    daemon.wake()
    return daemon


def a_reception(clock: Clock, *, kept: Callable[[], list[int]] = list, **more: Any) -> Reception:
    wanted: dict[str, Any] = {"ingest": None, "request_sleep": lambda: None, "budget_bits": 4_000} | more
    return Reception(kept_versions=kept, clock=clock, **wanted)


def test_figures_are_published_at_most_every_so_often(clock: Clock, daemon: Daemon) -> None:
    reception = a_reception(clock)
    reception.publish(daemon)
    first = reception.status()
    daemon.wake()
    reception.publish(daemon)
    assert reception.status() is first and first["messages"] == 5
    clock.now_s += PUBLISH_EVERY_S
    reception.publish(daemon)
    assert reception.status()["messages"] == 10


def test_a_figure_once_given_never_changes(clock: Clock, daemon: Daemon) -> None:
    reception = a_reception(clock)
    reception.publish(daemon)
    given = [reception.status(), reception.retention(), reception.memory()]
    copies = [repr(each) for each in given]
    daemon.wake()
    daemon.learner.grade()  # type: ignore[union-attr]
    clock.now_s += 1
    reception.publish(daemon)
    assert [repr(each) for each in given] == copies and reception.status() is not given[0]


def test_learning_is_told_only_while_the_loop_is_heard_of(clock: Clock, daemon: Daemon) -> None:
    reception = a_reception(clock)
    assert not reception.learning, "not before it starts"
    reception.publish(daemon)
    assert reception.learning
    clock.now_s += HANGS_AFTER_S
    assert not reception.learning, "it hangs"
    reception.publish(daemon)
    reception.close()
    assert not reception.learning, "not while it stops"


def test_recollections_are_made_by_the_learning_thread_when_it_comes_by(clock: Clock, daemon: Daemon) -> None:
    reception = a_reception(clock)
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(reception.recollections, 2, 10.0)
        while not shown.done():
            reception.run_errands(daemon)
    assert [label for label, _ in shown.result()] == [0]
    assert shown.result()[0][1].shape[1:] == (1, 6, 6)


def test_recollections_of_a_daemon_that_learned_nothing_are_none(clock: Clock, tmp_path: Path) -> None:
    reception, fresh = a_reception(clock), build(settings(tmp_path), source=MemorySource())
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(reception.recollections, 2, 10.0)
        while not shown.done():
            reception.run_errands(fresh)
    assert shown.result() == []


def test_who_waits_too_long_is_told_and_the_errand_is_dropped(clock: Clock, daemon: Daemon) -> None:
    reception = a_reception(clock)
    with pytest.raises(TimeoutError):
        reception.recollections(2, 0.01)
    looked_at: list[int] = []
    daemon.learner.method.recollect = lambda n: looked_at.append(n) or []  # type: ignore
    reception.run_errands(daemon)
    assert looked_at == []


@pytest.mark.parametrize("asked", ["before", "after"])
def test_who_asks_a_daemon_that_stops_is_told_so_at_once(clock: Clock, asked: str) -> None:
    reception = a_reception(clock)
    with ThreadPoolExecutor(1) as pool:
        if asked == "after":
            reception.close()
        shown = pool.submit(reception.recollections, 2, 30.0)
        while not shown.done():
            reception.close()
    with pytest.raises(Unavailable, match="shutting down"):
        shown.result()


def test_an_errand_that_fails_stops_neither_the_others_nor_the_daemon(clock: Clock, daemon: Daemon) -> None:
    reception = a_reception(clock, kept=lambda: [5])
    reception.request_rollback(5)  # its file is not there
    reception.request_checkpoint()
    reception.run_errands(daemon)
    assert daemon.source.committed == {"index": 5}  # type: ignore[attr-defined]


@pytest.mark.parametrize("wanted", [7, "7", "seven", "-1", "", "2.x7"])
def test_only_a_version_that_is_kept_can_be_rolled_back_to(clock: Clock, wanted: int | str) -> None:
    reception = a_reception(clock, kept=lambda: [1, 3])
    with pytest.raises(LookupError, match=r"is not kept; kept are \[1, 3\]"):
        reception.request_rollback(wanted)


@pytest.mark.parametrize(
    ("wanted", "to"), [(1, 1), ("3", 3), ("3.1200", 3), (None, 3)], ids=["number", "text", "served", "before"]
)
def test_a_rollback_goes_to_the_version_named_or_the_one_before(
    clock: Clock, daemon: Daemon, wanted: int | str | None, to: int
) -> None:
    reception, gone_to = a_reception(clock, kept=lambda: [1, 3, 4]), []
    daemon.rollback = gone_to.append  # type: ignore
    daemon.learner.progress.version = 4  # type: ignore[union-attr]
    reception.publish(daemon)
    reception.request_rollback(wanted)
    reception.run_errands(daemon)
    assert gone_to == [to]


def test_there_is_no_version_before_the_first(clock: Clock, daemon: Daemon) -> None:
    reception = a_reception(clock)
    reception.publish(daemon)
    with pytest.raises(LookupError, match="before this one is not kept; kept are none yet"):
        reception.request_rollback(None)


def test_pushed_examples_go_to_the_log_or_nowhere(clock: Clock) -> None:
    assert a_reception(clock).ingest([1, 2]) is None
    assert a_reception(clock, ingest=sum).ingest([1, 2]) == 3


def test_a_request_to_sleep_is_heard_from_any_thread(clock: Clock) -> None:
    asked = threading.Event()
    thread = threading.Thread(target=a_reception(clock, request_sleep=asked.set).request_sleep)
    thread.start()
    thread.join(timeout=5)
    assert asked.is_set()
