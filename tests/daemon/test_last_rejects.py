from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamlearner.daemon.last_rejects import KEPT, MOST_REASONS, LastRejects
from streamlearner.stream import Message, Reject


class Letters:
    """Dead letters that only count."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, rejects: Sequence[Reject]) -> None:
        self.written += len(rejects)


def reject(offset: int, *, reason: str = "image", value: bytes | None = b"no image") -> Reject:
    headers = (("label", b"7"),)
    return Reject(Message(value, topic="t", partition=0, offset=offset, headers=headers), reason, "cannot")


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
def last(letters: Letters) -> LastRejects:
    return LastRejects(letters, now_s=lambda: 9.0)


def test_all_reach_the_dead_letters_and_the_last_of_each_reason_stay(
    last: LastRejects, letters: Letters
) -> None:
    last.write([reject(offset) for offset in range(20)])
    last.write([reject(20, reason="label")])
    found = last.document()
    assert letters.written == 21
    assert [len(found["image"]), len(found["label"])] == [KEPT, 1]
    newest = found["image"][0]
    assert newest["where"] == reject(19).message.where()
    assert (newest["at_s"], newest["detail"], newest["size"], newest["beginning"]) == (
        9.0,
        "cannot",
        8,
        "no image",
    )
    assert newest["headers"] == [["label", "7"]]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (b"", ""),
        (b"\x89PNG\r\n", "89 50 4e 47 0d 0a"),
        (b'{"a":\n1}', '{"a":\n1}'),
        ("é".encode() * 200, "é" * 80),
        (b"a" + "é".encode() * 200, "a" + "é" * 79),
        (b"\xff\xfe", "ff fe"),
    ],
)
def test_a_value_is_shown_as_text_or_in_hexadecimal(
    last: LastRejects, value: bytes | None, expected: str | None
) -> None:
    last.write([reject(1, value=value)])
    assert last.document()["image"][0]["beginning"] == expected


def test_reasons_of_own_codecs_cannot_fill_the_memory(last: LastRejects) -> None:
    last.write([reject(number, reason=f"r{number}") for number in range(1000)])
    assert len(last.document()) == MOST_REASONS
