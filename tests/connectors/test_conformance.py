"""One suite over every connector: what `streamlearner.stream.Source` promises."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from connectors.files import DatasetSource, ImageFolderSource, JsonLinesSource, ParquetSource
from connectors.memory import MemorySource
from connectors.push import PushLog, PushRecord, PushSource
from streamlearner.errors import PositionLost
from streamlearner.stream import Message, Position, Source

COUNT = 23
NAP_S = 0.01


@dataclass
class Outside:
    """A backlog of COUNT messages in the outside world. `connect` makes one more Source over it, unopened."""

    connect: Callable[[], Source]
    alien: Position  # a position of the same connector that means nothing here
    finite: bool = True
    timeout_s: float = NAP_S  # of one poll
    cleanup: Callable[[], None] = lambda: None
    sources: list[Source] = field(default_factory=list)

    def open(self, position: Position | None = None) -> Source:
        source = self.connect()
        self.sources.append(source)
        source.open(position)
        return source

    def polls(self, source: Source, max_messages: int) -> Iterator[list[Message]]:
        """Polls that gave something, until one is empty with nothing left: a broker may answer late."""
        for _ in range(1000):
            if polled := source.poll(max_messages, self.timeout_s):
                yield polled
            elif not any(source.lag().values()):
                return

    def drain(self, source: Source, max_messages: int = COUNT) -> list[Message]:
        """All that follows."""
        return list(itertools.chain.from_iterable(self.polls(source, max_messages)))

    def take(self, source: Source, count: int) -> list[Message]:
        """The next `count` messages, however many polls they take."""
        messages: list[Message] = []
        for polled in self.polls(source, 1):
            messages += polled
            if len(messages) == count:
                break
        return messages

    def close(self) -> None:
        for source in self.sources:
            source.close()
        self.cleanup()


def memory(folder: Path) -> Outside:
    messages = [Message(f"{i}".encode(), "memory", 0, i) for i in range(COUNT)]
    return Outside(lambda: MemorySource(messages), alien={"index": COUNT + 1})


def memory_endless(folder: Path) -> Outside:
    messages = [Message(f"{i}".encode(), "memory", 0, i) for i in range(COUNT)]
    return Outside(lambda: MemorySource(messages, finite=False), alien={"index": -1}, finite=False)


def write_lines(folder: Path) -> Position:
    """Three files of which one is empty, with blank lines; and the position of a file that was replaced."""
    for name, lines in (("a", range(9)), ("b", range(0)), ("c", range(9, COUNT))):
        text = "".join(f'{{"input": [{i}], "label": {i}}}\n\n' for i in lines)
        (folder / f"{name}.jsonl").write_text(text)
    state = {"offset": 10, "check_bytes": 10, "check_sha256": "0" * 64, "ended": False}
    return {"current": "a.jsonl", "files": {"a.jsonl": state}}


def json_lines(folder: Path) -> Outside:
    alien = write_lines(folder)
    return Outside(lambda: JsonLinesSource(folder / "*.jsonl"), alien=alien)


def json_lines_followed(folder: Path) -> Outside:
    alien = write_lines(folder)
    return Outside(
        lambda: JsonLinesSource(folder / "*.jsonl", follow=True, look_every_s=NAP_S),
        alien=alien,
        finite=False,
    )


def images(folder: Path) -> Outside:
    for i in range(COUNT):
        path = folder / f"class {i % 3}" / f"{i:03}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x89PNG" + bytes([i]))
    return Outside(
        lambda: ImageFolderSource(folder, order="shuffled", seed=3), alien={"manifest": "0", "index": 3}
    )


def parquet_in(order: str, **limits: int) -> Callable[[Path], Outside]:
    def make(folder: Path) -> Outside:
        for name, rows in (("a", range(9)), ("b", range(9, COUNT))):
            table = pa.table(
                {
                    "img": [{"bytes": b"\x89PNG" + bytes([i]) * 40, "path": None} for i in rows],
                    "label": [i % 3 for i in rows],
                    "task": [i % 2 for i in rows],
                }
            )
            parquet.write_table(table, folder / f"{name}.parquet", row_group_size=4)

        def connect() -> Source:
            return ParquetSource(
                folder / "*.parquet",
                image_column="img",
                label_column="label",
                task_column="task",
                order=order,
                **limits,
            )

        return Outside(connect, alien={"manifest": "0", "index": 3})

    return make


class Digits:
    """A dataset as torchvision makes them: images by index, `targets` beside them."""

    targets: ClassVar = [i % 4 for i in range(COUNT)]

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return np.full((2, 2), index, dtype=np.uint8), self.targets[index]


def dataset(folder: Path) -> Outside:
    return Outside(
        lambda: DatasetSource(Digits(), name="digits", order="label"), alien={"manifest": "0", "index": 3}
    )


def push(folder: Path) -> Outside:
    log = PushLog(folder / "push.sqlite")
    headers = (("label", b"\xff\x00"),)
    log.append([PushRecord(f"{i}".encode(), key=b"k", headers=headers, id=f"id {i}") for i in range(COUNT)])
    alien = {"log": "another", "offset": 3}
    return Outside(lambda: PushSource(log), alien=alien, finite=False, cleanup=log.close)


LOCAL: dict[str, Callable[[Path], Outside]] = {
    "memory": memory,
    "memory_endless": memory_endless,
    "json_lines": json_lines,
    "json_lines_followed": json_lines_followed,
    "images": images,
    "parquet_stored": parquet_in("stored"),
    "parquet_label": parquet_in("label"),
    "parquet_task_in_small_windows": parquet_in("task", max_index_bytes=200),
    "dataset": dataset,
    "push": push,
}


@pytest.fixture
def kafka(broker: Any, topic: Callable[..., str]) -> Outside:
    """Two partitions of a real broker, each record at its own millisecond."""
    from kafka import KafkaProducer

    from connectors.kafka import KafkaSource

    name = topic(partitions=2)
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for i in range(COUNT):
        producer.send(name, b"%d" % i, partition=i * 7 % 3 % 2, timestamp_ms=1_700_000_000_000 + i)
    producer.flush()
    producer.close()

    def connect() -> Source:
        return KafkaSource(bootstrap_servers=broker.address, topic=name)

    alien = {"topic": name, "topic_id": "another", "partitions": {}}
    return Outside(connect, alien=alien, finite=False, timeout_s=0.1)


@pytest.fixture(params=[*LOCAL, "kafka"])
def outside(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outside]:
    if request.param == "kafka":
        made: Outside = request.getfixturevalue("kafka")
    else:
        made = LOCAL[request.param](tmp_path)
    yield made
    made.close()


def test_the_beginning_is_where_no_position_leads(outside: Outside) -> None:
    messages = outside.drain(outside.open(None))
    assert len(messages) == COUNT
    assert len({(m.topic, m.partition, m.offset) for m in messages}) == COUNT
    assert len({m.value for m in messages}) == COUNT


def test_every_recorded_position_replays_exactly_what_followed(outside: Outside) -> None:
    source = outside.open()
    positions, messages = [source.position], []
    for polled in outside.polls(source, 3):
        messages.append(polled)
        positions.append(source.position)
    assert sum(map(len, messages)) == COUNT
    for taken, position in enumerate(positions):
        followed = list(itertools.chain(*messages[taken:]))
        assert outside.drain(outside.open(position)) == followed


def test_a_position_is_the_same_after_json(outside: Outside) -> None:
    source = outside.open()
    outside.take(source, 5)
    position = source.position
    assert json.loads(json.dumps(position)) == position
    rest = outside.drain(source)
    assert outside.drain(outside.open(json.loads(json.dumps(position)))) == rest


def test_a_position_is_a_fresh_value_each_time(outside: Outside) -> None:
    source = outside.open()
    outside.take(source, 5)
    position = source.position
    before = json.dumps(position)
    outside.take(source, 5)
    assert json.dumps(position) == before
    assert json.dumps(source.position) != before


def test_replaying_twice_from_a_restored_position_is_stable(outside: Outside) -> None:
    source = outside.open()
    outside.take(source, 7)
    again = outside.open(source.position)
    assert outside.drain(outside.open(again.position)) == outside.drain(again) == outside.drain(source)


@pytest.mark.parametrize("max_messages", [1, 2, 7, COUNT, 10 * COUNT])
def test_a_poll_gives_no_more_than_asked_and_the_order_does_not_depend_on_it(
    outside: Outside, max_messages: int
) -> None:
    source, one_by_one = outside.open(), outside.open()
    expected = outside.drain(one_by_one, 1)
    messages: list[Message] = []
    for polled in outside.polls(source, max_messages):
        assert len(polled) <= max_messages
        messages += polled
    assert messages == expected


@pytest.mark.parametrize("name", list(LOCAL))
def test_restarts_between_polls_of_any_size_lose_and_repeat_nothing(name: str, tmp_path: Path) -> None:
    outside = LOCAL[name](tmp_path)
    expected = outside.drain(outside.open())

    @settings(max_examples=25, deadline=None)
    @given(cuts=st.lists(st.integers(1, 9), max_size=12), restart_every=st.integers(1, 5))
    def replay(cuts: list[int], restart_every: int) -> None:
        source, messages = outside.open(), []
        for number, cut in enumerate(cuts):
            messages += source.poll(cut, 0.0)
            if number % restart_every == 0:
                position = source.position
                source.close()
                source = outside.open(position)
        assert messages + outside.drain(source) == expected

    try:
        replay()
    finally:
        outside.close()


def test_polling_past_the_end_gives_nothing_and_comes_back(outside: Outside) -> None:
    source = outside.open()
    outside.drain(source)
    began_s = time.monotonic()
    assert source.poll(1, outside.timeout_s) == []
    assert source.poll(1, 0.0) == []
    assert (
        time.monotonic() - began_s < outside.timeout_s + 10
    )  # returns at all; the exact wait is not promised
    assert source.connected


def test_commits_and_releases_do_not_disturb_the_reading(outside: Outside) -> None:
    expected = outside.drain(outside.open())
    source, messages = outside.open(), []
    kept: list[tuple[int, Position]] = []  # as many as the daemon keeps checkpoints, say three
    for polled in outside.polls(source, 4):
        messages += polled
        kept = [*kept, (len(messages), source.position)][-3:]
        source.commit(source.position)
        source.release(kept[0][1])
    assert messages == expected
    for taken, position in kept:
        assert outside.drain(outside.open(position)) == expected[taken:]


def test_a_pause_gives_nothing_and_loses_nothing(outside: Outside) -> None:
    expected = outside.drain(outside.open())
    source = outside.open()
    before = outside.take(source, 5)
    position = source.position
    source.pause()
    assert source.poll(5, outside.timeout_s) == []
    assert source.poll(5, 0.0) == []
    assert source.position == position
    source.resume()
    assert before + outside.drain(source) == expected


def test_the_lag_falls_to_zero(outside: Outside) -> None:
    source = outside.open()
    seen = [sum(source.lag().values())]
    for _ in outside.polls(source, 4):
        seen.append(sum(source.lag().values()))
    assert seen == sorted(seen, reverse=True)
    assert seen[0] >= COUNT
    assert set(source.lag().values()) == {0}


def test_no_gaps_are_counted_where_nothing_is_missing(outside: Outside) -> None:
    source = outside.open()
    outside.drain(source)
    assert source.gaps == 0


def test_closing_twice_is_safe(outside: Outside) -> None:
    source = outside.open()
    outside.take(source, 1)
    source.close()
    source.close()
    assert len(outside.drain(outside.open())) == COUNT


def test_a_position_that_means_another_place_is_refused(outside: Outside) -> None:
    with pytest.raises(PositionLost, match=r"\w"):
        outside.open(outside.alien)


def test_only_a_finite_source_at_its_end_is_exhausted(outside: Outside) -> None:
    source = outside.open()
    assert not source.exhausted
    outside.take(source, COUNT - 1)
    assert not source.exhausted
    outside.drain(source)
    assert source.exhausted == outside.finite
