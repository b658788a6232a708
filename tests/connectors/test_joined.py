"""A source with labels that come later: where they came in once, they come in again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlearner.connectors.joined import PARTITION, JoinedSource
from streamlearner.connectors.memory import MemorySource
from streamlearner.connectors.push import PushLog, PushRecord
from streamlearner.stream import Message

MESSAGES = [Message(b"%d" % i, "memory", 0, i) for i in range(30)]


class Stream:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = PushLog(folder / "labels.sqlite")
        self.inner = MemorySource(MESSAGES, finite=False)

    def open(self, position: object = None) -> JoinedSource:
        self.inner = MemorySource(MESSAGES, finite=False)
        source = JoinedSource(self.inner, self.log, path=self.folder / "taken.jsonl")
        source.open(position)  # type: ignore[arg-type]
        return source

    def label(self, *numbers: int) -> None:
        self.log.append([PushRecord(b"label %d" % i, id=f"{i}") for i in numbers])


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    stream = Stream(tmp_path)
    yield stream
    stream.log.close()


def values(messages: list[Message]) -> list[bytes | None]:
    return [message.value for message in messages]


def rest(source: JoinedSource, most: int = 4) -> list[bytes | None]:
    found: list[bytes | None] = []
    while polled := source.poll(most, 0.0) or source.poll(most, 0.0):
        found += values(polled)
    return found


def test_labels_come_in_as_soon_as_they_are_there(stream: Stream) -> None:
    source = stream.open()
    assert values(source.poll(2, 0.0)) == [b"0", b"1"]
    stream.label(0, 1)
    assert source.lag() == {0: 28, PARTITION: 2}
    assert values(source.poll(10, 0.0)) == [b"label 0", b"label 1"]
    assert values(source.poll(1, 0.0)) == [b"2"]


def test_labels_that_wait_come_before_the_source_goes_on(stream: Stream) -> None:
    source = stream.open()
    stream.label(*range(5))
    polled = [values(source.poll(2, 0.0)) for _ in range(4)]
    assert polled == [[b"label 0", b"label 1"], [b"label 2", b"label 3"], [b"label 4"], [b"0", b"1"]]


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_from_any_position_gives_the_same_order_however_it_is_polled(
    stream: Stream, seed: int
) -> None:
    rng = random.Random(seed)
    source, taken, positions = stream.open(), list[bytes | None](), [(stream.open().position, 0)]
    numbers = iter(range(100))
    while len(taken) < 45:
        if rng.random() < 0.4:
            stream.label(*(next(numbers) for _ in range(rng.randint(1, 3))))
        taken += values(source.poll(rng.randint(1, 5), 0.0))
        positions.append((source.position, len(taken)))
        if source.lag()[0] == 0 and len(taken) >= 30:
            break
    taken += rest(source)
    for position, count in positions:
        again = stream.open(position)
        found: list[bytes | None] = []
        while len(found) < len(taken) - count:
            found += values(again.poll(rng.randint(1, 5), 0.0))
        assert found == taken[count:]


def test_a_position_without_labels_is_that_of_the_source(stream: Stream) -> None:
    source = stream.open({"index": 3})
    source.poll(2, 0.0)
    assert source.position == {"index": 5}
    stream.label(0)
    source.poll(1, 0.0)
    source.poll(1, 0.0)
    assert source.position.keys() == {"labels", "source"}


def test_without_the_file_of_places_each_label_still_comes_once(stream: Stream) -> None:
    source = stream.open()
    stream.label(0, 1)
    before = source.position
    source.poll(1, 0.0)
    (stream.folder / "taken.jsonl").unlink()
    assert sorted(map(str, rest(stream.open(before)))) == sorted(
        [*(str(message.value) for message in MESSAGES), str(b"label 0"), str(b"label 1")]
    )


def test_a_place_that_never_comes_again_holds_up_no_label(stream: Stream) -> None:
    source = stream.open()
    stream.label(0)
    before = source.position
    source.poll(1, 0.0)
    path = stream.folder / "taken.jsonl"
    path.write_text(path.read_text().replace('"index": 0', '"index": 0.5'))
    assert rest(stream.open(before))[-1] == b"label 0"


def test_a_torn_line_was_never_given_and_is_dropped(stream: Stream) -> None:
    source = stream.open()
    stream.label(0)
    source.poll(1, 0.0)
    path = stream.folder / "taken.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'[{"index": 7}, 2')
    stream.open()
    assert path.read_bytes() == whole


def test_what_no_checkpoint_needs_is_let_go(stream: Stream) -> None:
    source = stream.open()
    for number in range(1200):
        stream.label(number)
        source.poll(1, 0.0)
        source.poll(1, 0.0)
    source.release(source.position)
    assert stream.log.begin == stream.log.end
    assert (stream.folder / "taken.jsonl").stat().st_size < 1000


def test_a_paused_stream_gives_no_labels_and_notes_no_place(stream: Stream) -> None:
    source = stream.open()
    stream.label(0)
    source.pause()
    assert source.poll(5, 0.0) == source.poll(5, 0.0) == []
    assert not (stream.folder / "taken.jsonl").exists()
    source.resume()
    assert values(source.poll(1, 0.0)) == [b"label 0"]
