"""The source in memory: its markers, its waiting, its played outage."""

from __future__ import annotations

import threading

import pytest

from streamlearner.connectors.memory import Crash, CrashMarker, End, MemorySource
from streamlearner.errors import ConfigError, PositionLost
from streamlearner.stream import Message


def messages(count: int) -> list[Message]:
    return [Message(str(i).encode(), "t", 0, i) for i in range(count)]


def test_a_crash_comes_after_the_messages_before_it_and_only_once() -> None:
    a, b, c = messages(3)
    source = MemorySource([a, b, Crash(), c])
    source.open(None)
    assert source.poll(10, 0.0) == [a, b]
    with pytest.raises(CrashMarker, match="before message 2"):
        source.poll(10, 0.0)
    assert source.poll(10, 0.0) == [c]
    assert source.exhausted


def test_a_restart_over_the_same_list_passes_a_crash_that_happened() -> None:
    a, b = messages(2)
    backlog = [a, Crash(), b]
    first = MemorySource(backlog)
    first.open(None)
    checkpoint = first.position
    first.poll(10, 0.0)
    with pytest.raises(CrashMarker):
        first.poll(10, 0.0)
    second = MemorySource(backlog)
    second.open(checkpoint)
    assert second.poll(10, 0.0) == [a, b]


def test_a_crash_behind_the_last_message_happens_before_the_source_is_exhausted() -> None:
    source = MemorySource([*messages(1), Crash()])
    source.open(None)
    source.poll(10, 0.0)
    assert not source.exhausted
    with pytest.raises(CrashMarker):
        source.poll(10, 0.0)
    assert source.exhausted


def test_an_end_exhausts_this_run_and_the_next_goes_on_behind_it() -> None:
    a, b = messages(2)
    backlog = [a, End(), b]
    source = MemorySource(backlog)
    source.open(None)
    assert source.poll(10, 0.0) == [a]
    assert source.poll(10, 0.0) == []
    assert source.exhausted
    source.open(source.position)
    assert not source.exhausted
    assert source.poll(10, 0.0) == [b]


def test_positions_do_not_count_markers() -> None:
    source = MemorySource([End(reached=True), *messages(2), Crash(reached=True)])
    source.open(None)
    source.poll(10, 0.0)
    assert source.position == {"index": 2}
    assert source.exhausted


def test_an_endless_source_wakes_for_what_another_thread_appends() -> None:
    source = MemorySource(finite=False)
    source.open(None)
    (message,) = messages(1)
    timer = threading.Timer(0.05, source.append, [message])
    timer.start()
    assert source.poll(10, 30.0) == [message]
    timer.join()
    assert not source.exhausted


def test_an_outage_is_not_an_error() -> None:
    source = MemorySource(messages(2))
    source.open(None)
    source.outage = True
    assert source.poll(1, 0.0) == []
    assert not source.connected
    source.outage = False
    assert source.poll(1, 0.0) == messages(1)
    assert source.connected


def test_what_was_committed_and_released_can_be_looked_at() -> None:
    source = MemorySource(messages(2))
    source.open(None)
    source.poll(1, 0.0)
    source.commit(source.position)
    source.release({"index": 0})
    assert (source.committed, source.released) == ({"index": 1}, {"index": 0})


def test_a_position_beyond_the_messages_is_lost() -> None:
    with pytest.raises(PositionLost, match="3 messages"):
        MemorySource(messages(3)).open({"index": 4})


def test_a_poll_for_nothing_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        MemorySource(messages(1)).poll(0, 0.0)
