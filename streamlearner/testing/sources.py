"""The conformance suite of sources: what `streamlearner.stream.Source` promises."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlearner.config.loading import load
from streamlearner.errors import PositionLost
from streamlearner.registry.sources import SOURCES
from streamlearner.stream import Message, Position, Source, Surroundings
from streamlearner.testing.backlog import LEAST, Backlog


class SourceConformance:
    """One line of pytest: `TestMine = SourceConformance.of("my_package.module:Mine", upto=20)`.

    Each setting is one of the source's own; there must be `LEAST` messages or more. With a position that
    means another place the suite also tries whether that is refused: `alien={"index": 1000}`. A source that
    needs something made first (a topic, files) has the fixture `backlog` instead, which yields a `Backlog`.
    """

    PART: ClassVar[str]
    SETTINGS: ClassVar[Mapping[str, Any]]
    ALIEN: ClassVar[Position | None]

    @classmethod
    def of(cls, part: str, *, alien: Position | None = None, **settings: Any) -> type[SourceConformance]:
        """The suite for the source of this name."""
        return type(cls.__name__, (cls,), {"PART": part, "SETTINGS": settings, "ALIEN": alien})

    @pytest.fixture
    def backlog(self, tmp_path: Path) -> Iterator[Backlog]:
        part = SOURCES.find(self.PART)
        named = {f"source.{part.under}.{name}": value for name, value in self.SETTINGS.items()}
        source = load(path=None, settings={"source.type": self.PART, **named}, environ={}).source
        surroundings = Surroundings(state_dir=tmp_path, kafka=source.settings_of("kafka"))

        def connect() -> Source:
            made: Source = part.load().build(source.settings_of(), surroundings)
            return made

        made = Backlog(connect, count=0, alien=self.ALIEN)
        first = made.open()
        made.count = len(made.drain(first))
        made.finite = first.exhausted
        assert made.count >= LEAST, f"expected {LEAST} messages or more, found {made.count}"
        yield made
        made.close()

    def test_the_beginning_is_where_no_position_leads(self, backlog: Backlog) -> None:
        messages = backlog.drain(backlog.open(None))
        assert len(messages) == backlog.count
        assert len({(m.topic, m.partition, m.offset) for m in messages}) == backlog.count
        assert len({m.value for m in messages}) == backlog.count

    def test_every_recorded_position_replays_exactly_what_followed(self, backlog: Backlog) -> None:
        source = backlog.open()
        positions, messages = [source.position], []
        for polled in backlog.polls(source, 3):
            messages.append(polled)
            positions.append(source.position)
        assert sum(map(len, messages)) == backlog.count
        for taken, position in enumerate(positions):
            followed = list(itertools.chain(*messages[taken:]))
            assert backlog.drain(backlog.open(position)) == followed

    def test_a_position_is_the_same_after_json(self, backlog: Backlog) -> None:
        source = backlog.open()
        backlog.take(source, 5)
        position = source.position
        assert json.loads(json.dumps(position)) == position
        rest = backlog.drain(source)
        assert backlog.drain(backlog.open(json.loads(json.dumps(position)))) == rest

    def test_a_position_is_a_fresh_value_each_time(self, backlog: Backlog) -> None:
        source = backlog.open()
        backlog.take(source, 5)
        position = source.position
        before = json.dumps(position)
        backlog.take(source, 5)
        assert json.dumps(position) == before
        assert json.dumps(source.position) != before

    def test_replaying_twice_from_a_restored_position_is_stable(self, backlog: Backlog) -> None:
        source = backlog.open()
        backlog.take(source, 7)
        again = backlog.open(source.position)
        assert backlog.drain(backlog.open(again.position)) == backlog.drain(again) == backlog.drain(source)

    @pytest.mark.parametrize("max_messages", [1, 2, 7, 23, 230])
    def test_a_poll_gives_no_more_than_asked_and_the_order_does_not_depend_on_it(
        self, backlog: Backlog, max_messages: int
    ) -> None:
        source, one_by_one = backlog.open(), backlog.open()
        expected = backlog.drain(one_by_one, 1)
        messages: list[Message] = []
        for polled in backlog.polls(source, max_messages):
            assert len(polled) <= max_messages
            messages += polled
        assert messages == expected

    def test_restarts_between_polls_of_any_size_lose_and_repeat_nothing(self, backlog: Backlog) -> None:
        if backlog.opens_slowly:
            pytest.skip("it takes seconds to open, and this opens it hundreds of times")
        expected = backlog.drain(backlog.open())

        @settings(max_examples=25, deadline=None)
        @given(cuts=st.lists(st.integers(1, 9), max_size=12), restart_every=st.integers(1, 5))
        def replay(cuts: list[int], restart_every: int) -> None:
            source, messages = backlog.open(), []
            for number, cut in enumerate(cuts):
                messages += source.poll(cut, 0.0)
                if number % restart_every == 0:
                    position = source.position
                    source.close()
                    source = backlog.open(position)
            assert messages + backlog.drain(source) == expected

        replay()

    def test_polling_past_the_end_gives_nothing_and_comes_back(self, backlog: Backlog) -> None:
        source = backlog.open()
        backlog.drain(source)
        began_s = time.monotonic()
        assert source.poll(1, backlog.timeout_s) == []
        assert source.poll(1, 0.0) == []
        assert (
            time.monotonic() - began_s < backlog.timeout_s + 10
        )  # returns at all; the exact wait is not promised
        assert source.connected

    def test_commits_and_releases_do_not_disturb_the_reading(self, backlog: Backlog) -> None:
        expected = backlog.drain(backlog.open())
        source, messages = backlog.open(), []
        kept: list[tuple[int, Position]] = []  # as many as the daemon keeps checkpoints, say three
        for polled in backlog.polls(source, 4):
            messages += polled
            kept = [*kept, (len(messages), source.position)][-3:]
            source.commit(source.position)
            source.release(kept[0][1])
        assert messages == expected
        for taken, position in kept:
            assert backlog.drain(backlog.open(position)) == expected[taken:]

    def test_a_pause_gives_nothing_and_loses_nothing(self, backlog: Backlog) -> None:
        expected = backlog.drain(backlog.open())
        source = backlog.open()
        before = backlog.take(source, 5)
        position = source.position
        source.pause()
        assert source.poll(5, backlog.timeout_s) == []
        assert source.poll(5, 0.0) == []
        assert source.position == position
        source.resume()
        assert before + backlog.drain(source) == expected

    def test_the_lag_falls_to_zero(self, backlog: Backlog) -> None:
        source = backlog.open()
        seen = [sum(source.lag().values())]
        for _ in backlog.polls(source, 4):
            seen.append(sum(source.lag().values()))
        assert seen == sorted(seen, reverse=True)
        assert seen[0] >= backlog.count
        assert set(source.lag().values()) == {0}

    def test_no_gaps_are_counted_where_nothing_is_missing(self, backlog: Backlog) -> None:
        source = backlog.open()
        backlog.drain(source)
        assert source.gaps == 0

    def test_closing_twice_is_safe(self, backlog: Backlog) -> None:
        source = backlog.open()
        backlog.take(source, 1)
        source.close()
        source.close()
        assert len(backlog.drain(backlog.open())) == backlog.count

    def test_a_position_that_means_another_place_is_refused(self, backlog: Backlog) -> None:
        if backlog.alien is None:
            pytest.skip("no position was given that means another place")
        with pytest.raises(PositionLost, match=r"\w"):
            backlog.open(backlog.alien)

    def test_only_a_finite_source_at_its_end_is_exhausted(self, backlog: Backlog) -> None:
        source = backlog.open()
        assert not source.exhausted
        backlog.take(source, backlog.count - 1)
        assert not source.exhausted
        backlog.drain(source)
        assert source.exhausted == backlog.finite
