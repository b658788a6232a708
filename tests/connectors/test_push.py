"""The push log: durable, idempotent, bounded, and empty of what was learned."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlearner.connectors.push import BacklogFull, PushLog, PushRecord, PushSource
from streamlearner.errors import ConfigError, PositionLost, SourceError


@pytest.fixture
def log(tmp_path: Path) -> Iterator[PushLog]:
    with PushLog(tmp_path / "push.sqlite") as log:
        yield log


def source_over(log: PushLog) -> PushSource:
    source = PushSource(log)
    source.open(None)
    return source


def record(number: int, id: str | None = None) -> PushRecord:
    return PushRecord(f"value {number}".encode(), id=id)


def test_a_message_carries_all_that_was_pushed(log: PushLog) -> None:
    headers = (("label", b"7"), ("odd", bytes(range(256))))
    log.append([PushRecord(b"\x00\xff", key=b"key", headers=headers, id="é1", timestamp_ms=1234)])
    (message,) = source_over(log).poll(5, 0.0)
    assert message.value == b"\x00\xff"
    assert message.key == b"key"
    assert message.headers == (*headers, ("id", "é1".encode()))
    assert message.timestamp_ms == 1234
    assert (message.topic, message.partition, message.offset) == ("push", 0, 1)


def test_a_receipt_counts_and_its_position_is_behind_the_records(log: PushLog) -> None:
    receipt = log.append([record(0, "a"), record(1, "b"), record(2, "a")])
    assert (receipt.accepted, receipt.duplicates) == (2, 1)
    log.append([record(3)])
    source = PushSource(log)
    source.open(receipt.position)
    assert [message.value for message in source.poll(5, 0.0)] == [b"value 3"]


def test_an_id_is_taken_once_also_after_it_was_learned_and_after_a_restart(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log") as log:
        log.append([record(0, "a")])
        source = source_over(log)
        source.poll(1, 0.0)
        source.release(source.position)
        assert log.append([record(0, "a")]).duplicates == 1
    with PushLog(tmp_path / "log") as log:
        assert log.append([record(0, "a"), record(1, "b")]).duplicates == 1
        assert [m.value for m in source_over(log).poll(5, 0.0)] == [b"value 1"]


def test_records_without_an_id_are_never_duplicates(log: PushLog) -> None:
    assert log.append([record(0), record(0)]).accepted == 2


def test_the_oldest_ids_are_forgotten_first(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log", remembered_ids=2) as log:
        for id in "abc":
            log.append([record(0, id)])
        assert log.append([record(0, "c"), record(0, "b")]).duplicates == 2
        assert log.append([record(0, "a")]).accepted == 1


def test_a_full_backlog_refuses_the_whole_call_and_takes_it_after_a_release(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log", max_backlog_messages=3) as log:
        log.append([record(0), record(1)])
        with pytest.raises(BacklogFull, match=r"2 more .* beside 2 examples"):
            log.append([record(2), record(3)])
        source = source_over(log)
        assert len(source.poll(5, 0.0)) == 2
        source.release(source.position)
        assert log.append([record(2), record(3)]).accepted == 2
        assert [m.value for m in source.poll(5, 0.0)] == [b"value 2", b"value 3"]


def test_bytes_bound_the_backlog_too_and_are_counted_again_after_a_restart(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log", max_backlog_bytes=1000) as log:
        log.append([PushRecord(b"x" * 600)])
        stored = log.backlog_bytes
    with PushLog(tmp_path / "log", max_backlog_bytes=1000) as log:
        assert log.backlog_bytes == stored >= 600
        assert log.backlog_messages == 1
        with pytest.raises(BacklogFull, match="1000 bytes"):
            log.append([PushRecord(b"x" * 600)])


def test_offsets_are_never_used_again(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log") as log:
        log.append([record(0), record(1)])
        log.release(log.end)
        assert log.begin == log.end == 3
    with PushLog(tmp_path / "log") as log:
        assert log.end == 3
        log.append([record(2)])
        assert source_over(log).poll(1, 0.0)[0].offset == 3


def test_nothing_that_was_learned_is_left_on_the_disk(tmp_path: Path) -> None:
    secrets = [bytes([65 + i]) * 5000 + b"the picture of a face" for i in range(3)]
    with PushLog(tmp_path / "log") as log:
        for secret in secrets:
            log.append([PushRecord(secret, key=b"a name", headers=(("label", b"who it is"),), id="a person")])
            log.append([PushRecord(secret, key=b"a name", headers=(("label", b"who it is"),))])
        assert any(b"the picture of a face" in file.read_bytes() for file in tmp_path.iterdir())
        source = source_over(log)
        source.poll(100, 0.0)
        source.release(source.position)
        content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for raw in (b"the picture", b"AAAA", b"CCCC", b"a name", b"who it is", b"a person"):
        assert raw not in content


def test_a_release_never_deletes_what_was_not_polled(log: PushLog) -> None:
    log.append([record(i) for i in range(4)])
    source = source_over(log)
    source.poll(2, 0.0)
    source.release({"log": log.log, "offset": 99})
    assert len(source.poll(9, 0.0)) == 2


def test_a_position_before_what_was_released_is_lost(log: PushLog) -> None:
    log.append([record(i) for i in range(4)])
    source = source_over(log)
    beginning = source.position
    source.poll(2, 0.0)
    source.release(source.position)
    with pytest.raises(PositionLost, match=r"offsets \[3, 5\)"):
        source.open(beginning)
    source.open(None)
    assert source.poll(1, 0.0)[0].offset == 3


def test_a_position_beyond_the_end_or_of_another_log_is_lost(log: PushLog, tmp_path: Path) -> None:
    source = PushSource(log)
    with pytest.raises(PositionLost, match="older copy"):
        source.open({"log": log.log, "offset": log.end + 1})
    with PushLog(tmp_path / "other") as other, pytest.raises(PositionLost, match="re-created"):
        source.open({"log": other.log, "offset": 1})


def test_a_waiting_poll_wakes_for_an_append(log: PushLog) -> None:
    source = source_over(log)
    timer = threading.Timer(0.05, log.append, [[record(0)]])
    timer.start()
    assert len(source.poll(5, 30.0)) == 1
    timer.join()


def test_appends_that_wait_together_share_one_transaction(log: PushLog) -> None:
    statements: list[str] = []
    log._store._writer.set_trace_callback(statements.append)
    threads = [threading.Thread(target=log.append, args=([record(i)],)) for i in range(16)]
    with log._write_lock:  # the first caller leads, and is held here until all others have queued
        for thread in threads:
            thread.start()
        while len(log._queue) < len(threads):
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join(30)
    assert statements.count("COMMIT") == 1
    assert log.backlog_messages == 16


def test_many_threads_lose_nothing_and_keep_each_ones_order(log: PushLog) -> None:
    def push(thread: int) -> None:
        for number in range(20):
            log.append([PushRecord(f"{thread} {number}".encode(), id=f"{thread} {number}")])

    threads = [threading.Thread(target=push, args=(thread,)) for thread in range(12)]
    for thread in threads:
        thread.start()
    source, values = source_over(log), []
    while any(thread.is_alive() for thread in threads) or source.lag()[0]:
        values += [(m.value or b"").decode().split() for m in source.poll(7, 0.05)]
        source.release(source.position)
    assert len(values) == 240
    for thread in range(12):
        assert [int(n) for t, n in values if t == str(thread)] == list(range(20))


def test_a_closed_log_refuses_appends_and_wakes_who_waits(tmp_path: Path) -> None:
    log = PushLog(tmp_path / "log")
    source = source_over(log)
    timer = threading.Timer(0.05, log.close)
    timer.start()
    assert source.poll(1, 30.0) == []
    timer.join()
    with pytest.raises(SourceError, match="closed"):
        log.append([record(0)])
    log.close()


def test_impossible_limits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        PushLog(tmp_path / "log", max_backlog_messages=0)
