"""Batches that are polled before their turn: for an eye to see them together, and as if they had not been."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.batch_growth import BatchGrowth, steps_between
from streamlearner.daemon.look_ahead import LookAhead
from streamlearner.decoding.codec import Codec, encode_raw
from streamlearner.stream import Message
from tests.support import daemon_runs as runs
from tests.support.eyes import Counted
from tests.support.intakes import BATCH, Clock, Dripping, an_intake, everything, garbage, message, tombstone

COUNTED = "tests.support.eyes:Counted"


class Greedy:
    """Always wants so many more; notes what it was shown."""

    def __init__(self, wants: int) -> None:
        self.wants = wants
        self.shown: list[int] = []

    def wanted(self, images: Tensor) -> int:
        return self.wants

    def look(self, images: Tensor) -> None:
        self.shown.append(len(images))


def taken(
    messages: list[Message], drops: list[int], wants: int | None
) -> tuple[list[list[int]], list[dict[str, int]], list[int]]:
    """What each batch held, the position after each, and how many images were shown at once."""
    sight = None if wants is None else Greedy(wants)
    intake = an_intake(Dripping(messages, drops=drops), look_ahead=sight and LookAhead(sight))
    batches = everything(intake)
    held = [[each.offset for each in batch.batch.messages] for batch in batches]
    return held, [batch.position for batch in batches], sight.shown if sight else []


@pytest.mark.parametrize("drops", [[100], [1], [3, 0, 2], [0, 7, 1]])
@pytest.mark.parametrize("wants", [1, 4, 9, 50])
def test_batches_and_positions_are_as_if_nothing_had_been_polled_behind(drops: list[int], wants: int) -> None:
    messages = [garbage(n) if n % 7 == 3 else tombstone(n) if n % 11 == 5 else message(n) for n in range(42)]
    held, positions, _ = taken(messages, drops, None)
    ahead, after, shown = taken(messages, drops, wants)
    assert (held, positions) == (ahead, after)
    assert positions[-1] == {"index": len(messages)}
    assert not shown or max(shown) > BATCH - 2 or drops != [100]


class NothingNoted:
    """Every pace is decided now."""

    def at(self, messages: int) -> None:
        return None

    def add(self, decided: object) -> None: ...


def test_batches_that_follow_the_lag_are_as_large_as_if_nothing_had_been_polled_behind() -> None:
    sizes = []
    for wants in (None, 9, 50):
        sight = wants and LookAhead(Greedy(wants))
        intake = an_intake(Dripping([message(n) for n in range(2_000)], drops=[7]), look_ahead=sight or None)
        intake.growth = BatchGrowth(steps_between(BATCH, 4 * BATCH), noted=NothingNoted())
        sizes.append([(batch.messages, batch.position) for batch in everything(intake)])
    assert sizes[0] == sizes[1] == sizes[2]
    assert {size for size, _ in sizes[0]} >= {BATCH, 2 * BATCH, 4 * BATCH}


def test_as_many_batches_are_shown_together_as_were_wanted() -> None:
    _, _, shown = taken([message(n) for n in range(40)], [100], 8)
    assert shown == [12, 12, 12, 12, 8], "each time that no batch behind this one is polled"


def test_what_was_polled_ahead_still_counts_as_lag() -> None:
    lags = []
    for ahead in (None, LookAhead(Greedy(8))):
        intake = an_intake(Dripping([message(n) for n in range(20)], drops=[100]), look_ahead=ahead)
        lags.append([sum(intake.lag().values()) for _ in range(4) if intake.next_batch(timeout_s=0.0)])
        if ahead:
            assert lags[-1][0] == 20 - 2 * BATCH, "all but the first batch and the next one"
    assert lags[0][0] == 20 - BATCH


def test_a_batch_is_not_decoded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    codec, decoded = Codec(), []
    decode = codec.decode
    monkeypatch.setattr(
        codec, "decode", lambda messages: (decoded.append(len(messages)), decode(messages))[1]
    )
    everything(
        an_intake(Dripping([message(n) for n in range(24)], drops=[100]), codec=codec,
                  look_ahead=LookAhead(Greedy(8)))
    )  # fmt: skip
    assert sum(decoded) == 24


def test_a_batch_of_which_some_came_ahead_waits_for_more_as_ever() -> None:
    clock = Clock()
    source = Dripping([message(n) for n in range(6)], drops=[100], finite=False)
    intake = an_intake(source, clock=clock, look_ahead=LookAhead(Greedy(8)))
    clock.now_s += 5
    first = intake.next_batch(timeout_s=0.0)
    assert first is not None and first.messages == BATCH and first.position == {"index": BATCH}
    assert intake.next_batch(timeout_s=0.0) is None, "two wait, and a moment only"
    clock.now_s += 5
    second = intake.next_batch(timeout_s=0.0)
    assert second is not None and second.messages == 2 and second.position == {"index": 6}


def images(count: int) -> list[Message]:
    return [runs.example(number) for number in range(count)]


def test_small_batches_of_a_backlog_share_passes_and_a_killed_run_ends_as_one_that_was_not(
    tmp_path: Path,
) -> None:
    more = {"eye__name": COUNTED, "eye__ordered": True, "method__name": "streaming_statistics"}
    more |= {"daemon__batch_size": 10}
    alone, once, killed = (runs.settings(tmp_path / name, **more) for name in ("alone", "once", "killed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LookAhead, "look", lambda *given, **named: None)
        before = Counted.passes
        runs.run(alone, MemorySource(images(200)))
        apart, before = Counted.passes - before, Counted.passes
    runs.run(once, MemorySource(images(200)))
    assert Counted.passes - before < apart
    runs.run_with_crashes(killed, images(200), at=[33, 111, 170])
    one, *others = (runs.state(tmp_path / name) for name in ("alone", "once", "killed"))
    assert [runs.differing(one, other) for other in others] == [[], []]


def test_images_that_are_seen_otherwise_among_others_are_learned_as_ever(tmp_path: Path) -> None:
    more = {"eye__name": "tests.support.eyes:Sociable", "daemon__batch_size": 10}
    once, killed = (runs.settings(tmp_path / name, **more) for name in ("once", "killed"))
    runs.run(once, MemorySource(images(100)))
    runs.run_with_crashes(killed, images(100), at=[33, 61])
    assert runs.differing(runs.state(tmp_path / "once"), runs.state(tmp_path / "killed")) == []


def test_an_image_that_ends_the_eye_is_set_aside_with_its_own_batch_alone(tmp_path: Path) -> None:
    """Seen ahead it fails with the batches before it, which learn at the next start, each for itself."""
    value, headers = encode_raw(np.full((6, 6), 255, np.uint8), label=0)
    stream = [
        Message(value, "memory", 0, n, headers=headers) if n == 63 else runs.example(n) for n in range(120)
    ]
    config = runs.settings(tmp_path, eye__name="tests.support.eyes:Squeamish", daemon__batch_size=10)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="too bright"):
            runs.run(config, MemorySource(stream))
    daemon = runs.run(config, MemorySource(stream))
    letters = (tmp_path / "dead-letters" / "dead_letters.jsonl").read_text().splitlines()
    assert [json.loads(letter)["offset"] for letter in letters] == list(range(60, 70))
    assert daemon.state.tally.messages == len(stream)
