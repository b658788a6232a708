"""One suite over every connector: what `streamlearner.stream.Source` promises."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlearner.errors import PositionLost
from streamlearner.stream import Message, Position, Source
from tests.support.sources_and_sinks import COUNT, LOCAL, Outside


@pytest.fixture
def kafka(broker: Any, topic: Callable[..., str]) -> Outside:
    """Two partitions of a real broker, each record at its own millisecond."""
    from kafka import KafkaProducer

    from streamlearner.connectors.kafka.source import KafkaSource

    name = topic(partitions=2, name=f"conformance-{uuid.uuid4().hex}")
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
