"""What serving's threads ask of the daemon: what is published, asked, answered, given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from streamlearner.daemon.requests import HANGS_AFTER_S, PUBLISH_EVERY_S, Requests, StatusDocuments
from streamlearner.decoding.labels import ClassName
from streamlearner.errors import CheckpointError
from streamlearner.learning.progress import Transplant
from streamlearner.serving import Conflict, Unavailable


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


class FakeLearningThread:
    """Writes down what it is asked."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.decoded_by: threading.Thread | None = None

    def checkpoint(self) -> None:
        self.done.append("checkpoint")

    def rollback(self, version: int) -> None:
        if version == 5:
            raise LookupError("its file is not there")
        self.done.append(version)

    def recollecting(self, per_class: int) -> Callable[[], list[tuple[ClassName, Tensor]]]:
        self.done.append(("recollections", threading.current_thread()))

        def decoded() -> list[tuple[ClassName, Tensor]]:
            self.decoded_by = threading.current_thread()
            return [(0, torch.zeros(per_class, 3))]

        return decoded

    def begin_transplant(self, to: str, steps: int | None) -> Transplant:
        if to == "lenet":
            raise Conflict("lenet is the network that answers already")
        return Transplant(number=2, to=to, steps=steps or 7)


@pytest.fixture
def thread() -> FakeLearningThread:
    return FakeLearningThread()


def some_requests(clock: Clock, *, kept: Callable[[], list[int]] = list, **more: Any) -> Requests:
    wanted: dict[str, Any] = {"ingest": None, "request_sleep": lambda: None} | more
    return Requests(kept_versions=kept, clock=clock, **wanted)


def documents(messages: int, **more: Any) -> StatusDocuments:
    return StatusDocuments({"messages": messages} | more, {"overall": 0.5}, {"seen": messages}, version=4)


def test_documents_are_due_so_often_and_no_more(clock: Clock) -> None:
    requests = some_requests(clock)
    assert requests.documents_due and requests.status() == {"ready": False}
    requests.publish(documents(5))
    assert not requests.documents_due and requests.status()["messages"] == 5
    clock.now_s += PUBLISH_EVERY_S
    assert requests.documents_due


def test_the_documents_are_those_published_last(clock: Clock) -> None:
    requests = some_requests(clock)
    assert not requests.connected
    requests.publish(documents(5, connected=True))
    given = requests.status()
    requests.publish(documents(6, connected=False))
    assert given == {"messages": 5, "connected": True}
    assert (requests.status()["messages"], requests.memory()["seen"], requests.connected) == (6, 6, False)
    assert requests.retention() == {"overall": 0.5}


def test_the_loop_counts_as_learning_while_it_comes_round_and_does_not_only_wait(clock: Clock) -> None:
    requests = some_requests(clock)
    assert not requests.learning, "not before it starts"
    requests.heartbeat(learning=True)
    assert requests.learning
    clock.now_s += HANGS_AFTER_S
    assert not requests.learning, "it hangs"
    requests.heartbeat(learning=True)
    requests.heartbeat(learning=False)
    assert not requests.learning, "it waits for the disk"
    requests.heartbeat(learning=True)
    requests.close()
    assert not requests.learning, "not while it stops"


def test_recollections_are_read_by_the_learning_thread_and_decoded_by_whoever_asked(
    clock: Clock, thread: FakeLearningThread
) -> None:
    requests = some_requests(clock)
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(requests.recollections, 2, 10.0)
        while not shown.done():
            requests.run_pending(thread)
    assert [(label, len(inputs)) for label, inputs in shown.result()] == [(0, 2)]
    assert thread.done == [("recollections", threading.current_thread())]
    assert thread.decoded_by not in (None, threading.current_thread())


def test_who_waits_too_long_gets_a_timeout_and_the_request_is_dropped(
    clock: Clock, thread: FakeLearningThread
) -> None:
    requests = some_requests(clock)
    with pytest.raises(TimeoutError):
        requests.recollections(2, 0.01)
    requests.run_pending(thread)
    assert thread.done == []


@pytest.mark.parametrize("asked", ["before", "after"])
def test_requests_of_a_daemon_that_stops_are_cancelled_at_once(clock: Clock, asked: str) -> None:
    requests = some_requests(clock)
    with ThreadPoolExecutor(1) as pool:
        if asked == "after":
            requests.close()
        shown = pool.submit(requests.recollections, 2, 30.0)
        while not shown.done():
            requests.close()
    with pytest.raises(Unavailable, match="shutting down"):
        shown.result()


def test_a_request_that_fails_stops_neither_the_others_nor_the_daemon(
    clock: Clock, thread: FakeLearningThread
) -> None:
    requests = some_requests(clock, kept=lambda: [5])
    requests.request_rollback(5)
    requests.request_checkpoint()
    requests.run_pending(thread)
    assert thread.done == ["checkpoint"]


def test_a_transplant_that_began_is_described_and_one_that_cannot_is_refused(
    clock: Clock, thread: FakeLearningThread
) -> None:
    requests = some_requests(clock)
    with ThreadPoolExecutor(2) as pool:
        begun = pool.submit(requests.request_transplant, "mlp", None, 10.0)
        refused = pool.submit(requests.request_transplant, "lenet", None, 10.0)
        while not (begun.done() and refused.done()):
            requests.run_pending(thread)
    assert begun.result() == {"number": 2, "to": "mlp", "steps": 7}
    with pytest.raises(Conflict, match="answers already"):
        refused.result()


@pytest.mark.parametrize("wanted", [7, "7", "seven", "-1", "", "2.x7"])
def test_only_a_version_that_is_kept_can_be_rolled_back_to(clock: Clock, wanted: int | str) -> None:
    requests = some_requests(clock, kept=lambda: [1, 3])
    with pytest.raises(LookupError, match=r"is not kept; kept are \[1, 3\]"):
        requests.request_rollback(wanted)


@pytest.mark.parametrize(
    ("wanted", "to"), [(1, 1), ("3", 3), ("3.1200", 3), (None, 3)], ids=["number", "text", "served", "before"]
)
def test_a_rollback_goes_to_the_version_named_or_the_one_before(
    clock: Clock, thread: FakeLearningThread, wanted: int | str | None, to: int
) -> None:
    requests = some_requests(clock, kept=lambda: [1, 3, 4])
    requests.publish(documents(5))
    requests.request_rollback(wanted)
    requests.run_pending(thread)
    assert thread.done == [to]


def test_there_is_no_version_before_the_first(clock: Clock) -> None:
    requests = some_requests(clock)
    requests.publish(documents(5))
    with pytest.raises(LookupError, match="before this one is not kept; kept are none yet"):
        requests.request_rollback(None)


def test_a_disk_that_cannot_say_which_versions_are_kept_is_told_as_unavailable(clock: Clock) -> None:
    def refuses() -> list[int]:
        raise CheckpointError("the model versions cannot be listed: Input/output error")

    with pytest.raises(Unavailable, match="cannot be listed"):
        some_requests(clock, kept=refuses).request_rollback(None)


def test_pushed_examples_go_to_the_log_or_nowhere(clock: Clock) -> None:
    assert some_requests(clock).ingest([1, 2]) is None
    assert some_requests(clock, ingest=sum).ingest([1, 2]) == 3


def test_a_request_to_sleep_is_heard_from_any_thread(clock: Clock) -> None:
    asked = threading.Event()
    other = threading.Thread(target=some_requests(clock, request_sleep=asked.set).request_sleep)
    other.start()
    other.join(timeout=5)
    assert asked.is_set()


def test_a_request_of_one_who_has_left_is_dropped_before_its_turn(
    clock: Clock, thread: FakeLearningThread
) -> None:
    requests, left = some_requests(clock), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(requests.recollections, 2, 60.0, left.is_set)
        left.set()
        with pytest.raises(TimeoutError):
            shown.result(20.0)
    requests.run_pending(thread)
    assert thread.done == []
