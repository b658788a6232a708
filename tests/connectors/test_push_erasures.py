"""An erasure in the push log: durable, in its place in the stream, and what was not read yet goes at once."""

from __future__ import annotations

from pathlib import Path

from streamlearner.connectors.push import PushLog, PushRecord, PushSource

GONE = (("erase", b"gone"),)


def record(number: int) -> PushRecord:
    name = f"e-{number}"
    return PushRecord(b"secret " + bytes([65 + number]), headers=(("label", b"cat"),), id=name)


def erase(log: PushLog, number: int) -> int:
    name = f"e-{number}".encode()
    return log.erase(PushRecord(b"", headers=(("erase", b"id"), ("id", name))), header=("id", name)).blanked


def opened(log: PushLog) -> PushSource:
    source = PushSource(log)
    source.open(None)
    return source


def test_what_was_not_read_yet_is_blanked_and_keeps_its_place(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log") as log:
        log.append([record(number) for number in range(6)])
        source = opened(log)
        source.poll(2, 0.0)
        assert erase(log, 4) == 1
        messages = source.poll(10, 0.0)
        assert [message.offset for message in messages] == [3, 4, 5, 6, 7]
        assert (messages[2].value, messages[2].key, messages[2].headers) == (b"", None, GONE)
        assert dict(messages[-1].headers) == {"erase": b"id", "id": b"e-4"}
        assert [message.value for message in messages[:2]] == [b"secret C", b"secret D"]


def test_no_byte_of_it_is_left_in_any_file_of_the_log(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log") as log:
        log.append([record(number) for number in range(6)])
        opened(log)
        erase(log, 4)
        held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"secret E" not in held
        assert b"secret D" in held


def test_what_was_read_is_left_as_it_was_so_that_a_replay_gives_what_was_given(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log") as log:
        log.append([record(number) for number in range(6)])
        source = opened(log)
        before, read = source.position, source.poll(6, 0.0)
        assert erase(log, 4) == 0
        again = PushSource(log)
        again.open(before)
        assert again.poll(6, 0.0) == read


def test_before_the_source_is_open_nothing_is_touched_as_it_may_ask_for_it_again(
    tmp_path: Path,
) -> None:
    with PushLog(tmp_path / "log") as log:
        log.append([record(0)])
        assert erase(log, 0) == 0
        assert opened(log).poll(1, 0.0)[0].value == b"secret A"


def test_a_full_log_still_takes_an_erasure_and_an_erasure_is_never_blanked(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log", max_backlog_messages=2) as log:
        log.append([record(0), record(1)])
        source = opened(log)
        assert (erase(log, 0), erase(log, 0)) == (1, 0)
        assert log.backlog_messages == 4
        assert [dict(message.headers).get("erase") for message in source.poll(9, 0.0)] == [
            b"gone", None, b"id", b"id",
        ]  # fmt: skip


def test_the_counters_are_right_after_a_restart(tmp_path: Path) -> None:
    with PushLog(tmp_path / "log") as log:
        log.append([record(number) for number in range(6)])
        opened(log)
        erase(log, 4)
        before = (log.backlog_messages, log.backlog_bytes, log.end)
    with PushLog(tmp_path / "log") as log:
        assert (log.backlog_messages, log.backlog_bytes, log.end) == before
