"""Dead letters: what a reject keeps, and that nothing counts as written before it is durable."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from streamlearner.connectors import dead_letters
from streamlearner.connectors.dead_letters import FILE_NAME, DeadLettersNotDurable, FileDeadLetters
from streamlearner.stream import Message, Reject
from streamlearner.testing import DeadLettersConformance
from tests.support.rejects import reject


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / FILE_NAME).read_text().splitlines()]


def test_a_line_holds_the_original_bytes_and_the_reason(tmp_path: Path) -> None:
    letters = FileDeadLetters(tmp_path)
    letters.write([reject()])
    letters.flush(1.0)
    (entry,) = lines(tmp_path)
    assert base64.b64decode(entry["value"]) == b"\x00raw\xff"
    assert [(name, base64.b64decode(content)) for name, content in entry["headers"]] == [
        ("h", b"\xfe"),
        ("h", b"2"),
    ]
    assert (entry["topic"], entry["partition"], entry["offset"], entry["reason"]) == ("t", 2, 7, "schema")


def test_an_oversized_body_is_left_out_with_its_size_and_digest(tmp_path: Path) -> None:
    letters = FileDeadLetters(tmp_path, max_body_bytes=10)
    letters.write([reject(value=b"x" * 11), reject(offset=8, value=None)])
    letters.flush(1.0)
    large, null = lines(tmp_path)
    assert (large["value"], large["size"], large["sha256"]) == (
        None,
        11,
        hashlib.sha256(b"x" * 11).hexdigest(),
    )
    assert (null["value"], null["size"]) == (None, None)


def test_a_torn_last_line_is_cut_off_and_a_replay_writes_only_what_is_missing(tmp_path: Path) -> None:
    letters = FileDeadLetters(tmp_path)
    letters.write([reject(1), reject(2)])
    letters.flush(1.0)
    letters.close()
    with open(tmp_path / FILE_NAME, "ab") as file:
        file.write(b'{"topic": "t", "parti')
    again = FileDeadLetters(tmp_path)
    again.write([reject(1), reject(2), reject(3)])
    again.write([reject(3)])
    again.flush(1.0)
    again.close()
    again.close()
    assert [entry["offset"] for entry in lines(tmp_path)] == [1, 2, 3]


def test_the_same_offset_of_a_topic_made_again_is_another_letter(tmp_path: Path) -> None:
    letters = FileDeadLetters(tmp_path)
    letters.write([reject(1), reject(1, value=b"other")])
    letters.flush(1.0)
    assert len(lines(tmp_path)) == 2


def test_a_full_disk_keeps_the_letters_until_a_flush_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = FileDeadLetters(tmp_path)
    write = os.pwrite

    def full(file: int, block: bytes, at: int) -> int:
        if len(block) > 50:
            return write(file, block[:50], at)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(dead_letters.os, "pwrite", full)
    letters.write([reject(1)])
    with pytest.raises(DeadLettersNotDurable, match="No space left"):
        letters.flush(1.0)
    assert letters.waiting_bytes > 100
    monkeypatch.undo()
    letters.write([reject(2)])
    letters.flush(1.0)
    assert letters.waiting_bytes == 0
    assert [entry["offset"] for entry in lines(tmp_path)] == [1, 2]


TestFile = DeadLettersConformance.of("file", count=lambda state_dir: len(lines(state_dir / "dead-letters")))


def test_two_messages_without_a_value_at_one_place_are_two_dead_letters(tmp_path: Path) -> None:
    """The rows of another file stand at the same numbers."""
    letters = FileDeadLetters(tmp_path)
    for path in (b"a.png", b"b.png", b"a.png"):
        letters.write([Reject(Message(None, "t", 0, 7, headers=(("path", path),)), "empty", "null")])
    letters.flush(1.0)
    letters.close()
    assert len((tmp_path / "dead_letters.jsonl").read_text().splitlines()) == 2


def test_a_letter_can_be_read_before_any_checkpoint(tmp_path: Path) -> None:
    letters = FileDeadLetters(tmp_path)
    letters.write([reject(1), reject(2)])
    assert [entry["offset"] for entry in lines(tmp_path)] == [1, 2]
    letters.flush(1.0)
    letters.write([reject(3)])
    assert [entry["offset"] for entry in lines(tmp_path)] == [1, 2, 3]


def test_many_large_letters_are_made_durable_by_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(dead_letters.os, "fsync", synced.append)
    letters = FileDeadLetters(tmp_path)
    before = len(synced)
    for offset in range(30):
        letters.write([reject(offset, value=bytes(2**20))])
        assert sum(map(len, letters._waiting)) < dead_letters.FLUSH_BYTES
    assert len(synced) - before >= 30
    assert len(lines(tmp_path)) == 30


def test_a_full_file_is_numbered_and_the_oldest_are_deleted(tmp_path: Path) -> None:
    for first in range(0, 60, 6):  # with restarts, at which every letter is written again
        letters = FileDeadLetters(tmp_path, max_file_bytes=1_500, keep_files=3)
        for offset in range(max(0, first - 2), first + 6):
            letters.write([reject(offset)])
            letters.flush(1.0)
        letters.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 4 and names[-1] == FILE_NAME
    kept = [
        json.loads(text)["offset"] for name in names for text in (tmp_path / name).read_text().splitlines()
    ]
    assert kept == list(range(kept[0], 60))
    assert all((tmp_path / name).stat().st_size < 1_500 + 600 for name in names)


def test_a_disk_that_is_full_while_a_file_is_exchanged_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    letters = FileDeadLetters(tmp_path, max_file_bytes=100)
    monkeypatch.setattr(dead_letters, "rotate", full)
    letters.write([reject(1)])
    letters.flush(1.0)
    monkeypatch.undo()
    letters.write([reject(2)])
    letters.flush(1.0)
    (only,) = [path for path in tmp_path.iterdir() if path.name != FILE_NAME]
    assert [json.loads(text)["offset"] for text in only.read_text().splitlines()] == [1, 2]
