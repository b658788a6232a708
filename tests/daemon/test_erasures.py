"""Erasures in the stream: in its order, each message in one counter, and the same again after a crash."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from streamlearner.app import build
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon import persistence
from streamlearner.daemon.known_ids import ErasedIds, RememberedIds
from streamlearner.decoding.erasures import Erasure
from streamlearner.stream import Message
from tests.support.daemon_runs import (
    a_stream,
    differing,
    example,
    figure,
    kept_checkpoints,
    learned,
    run,
    run_with_crashes,
    running,
    settings,
    state,
    store,
)
from tests.support.erasures import erasure, holds
from tests.support.intakes import an_intake, everything, message
from tests.support.patience import wait_until

COUNT = 200
IDS, LABELS, AGAIN = range(20, COUNT, 7), range(60, COUNT, 41), range(33, COUNT, 21)


def with_erasures() -> list[Message]:
    """Every 7th erases an example that came a while ago, every 41st a whole class; erased ones come again."""
    messages = a_stream(COUNT)
    for place in AGAIN:
        messages[place] = example(place, id=f"example-{place - 26}")
    for place in IDS:
        messages[place] = erasure(place, by="id", name=f"example-{place - 13}")
    for place in LABELS:
        messages[place] = erasure(place, by="label", name="1")
    return messages


@pytest.mark.parametrize("steps_per_batch", [0, 1])
def test_a_stream_with_erasures_ends_the_same_whatever_crashes(steps_per_batch: int, tmp_path: Path) -> None:
    asleep = {"sleep__steps": 40, "sleep__steps_per_batch": steps_per_batch}
    calm = run(settings(tmp_path / "calm", **asleep), MemorySource(with_erasures()))
    crashed = run_with_crashes(
        settings(tmp_path / "crashed", **asleep), with_erasures(), at=[22, 61, 64, 101, 150]
    )
    assert differing(state(tmp_path / "calm"), state(tmp_path / "crashed")) == []
    assert calm.state.tally == crashed.state.tally
    assert learned(calm) == learned(crashed) > 0


def test_every_message_is_counted_once(tmp_path: Path) -> None:
    daemon = run(settings(tmp_path), MemorySource(with_erasures()))
    counts = daemon.status()["examples"]
    assert sum(counts.values()) == daemon.status()["messages"] == COUNT
    assert counts["erasure"] == len({*IDS, *LABELS})
    assert counts["erased"] >= len(set(AGAIN) - {*IDS, *LABELS}) > 0
    for outcome, count in counts.items():
        assert figure(daemon, f'streamlearner_examples_total{{outcome="{outcome}"}}') == count


@pytest.mark.parametrize("name", ["example-3", "example-40"])
def test_an_erased_example_is_held_no_more_and_is_not_learned_when_it_comes_again(
    name: str, tmp_path: Path
) -> None:
    quiet = {"sleep__every_examples": None, "memory__budget_bits": 40_000}
    messages = a_stream(60)
    before = run(settings(tmp_path / "before", **quiet), MemorySource(messages))
    assert holds(store(tmp_path / "before").load(newest(tmp_path / "before")).tensors, name)
    messages += [erasure(60, by="id", name=name), example(61, id=name), example(62, id="another")]
    after = run(settings(tmp_path / "after", **quiet), MemorySource(messages))
    assert not holds(store(tmp_path / "after").load(newest(tmp_path / "after")).tensors, name)
    assert (after.state.tally.erasure, after.state.tally.erased) == (1, 1)
    assert after.learner is not None and before.learner is not None
    held = (after.learner.method.remembered, len(after.learner.exam))
    assert sum(held) == before.learner.method.remembered + len(before.learner.exam), "one went, one came"


def test_a_process_that_ends_too_soon_leaves_the_next_to_save_checkpoints_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, or asked to end: no checkpoint that is kept holds what was erased, though no message comes."""
    name, messages = "example-3", [*a_stream(60), erasure(60, by="id", name="example-3")]
    config = settings(tmp_path, memory__budget_bits=40_000, checkpoint__every_examples=20)

    def holding() -> list[int]:
        return [each.number for each in kept_checkpoints(tmp_path) if holds(each.tensors, name)]

    monkeypatch.setattr(persistence, "RENEW_EVERY_S", math.inf)
    run(config, MemorySource(messages))
    assert holding()
    monkeypatch.undo()
    with running(build(config, source=MemorySource(messages, finite=False))):
        wait_until(lambda: not holding(), "no checkpoint holds it")


def newest(folder: Path) -> int:
    return max(entry.number for entry in store(folder).entries())


def test_what_is_erased_in_the_batch_that_brought_it_is_not_learned_at_all() -> None:
    messages = [message(0, id="a"), message(1, id="b"), erasure(2, by="id", name="a"), message(3, id="a")]
    (taken,) = everything(an_intake(MemorySource(messages)))
    assert taken.batch.ids == ("b",)
    assert (taken.erased, taken.duplicates) == (2, 0)
    assert [one.since for one in taken.erasures] == [None]


def test_an_erasure_says_whether_an_example_of_its_id_was_taken_for_certain() -> None:
    messages = [
        *(message(n, id=f"{n}") for n in range(4)),
        *(erasure(4 + n, by="id", name=f"{n}") for n in (1, 9)),
    ]
    messages += [erasure(6, by="id", name="1"), message(7)]
    taken = everything(an_intake(MemorySource(messages)))[-1]
    assert [one.since for one in taken.erasures] == [0, None, None]


def test_what_was_never_there_is_said_to_be_unknown(tmp_path: Path) -> None:
    quiet = {"sleep__every_examples": None, "memory__budget_bits": 40_000}
    messages = [example(n, label=n % 2, id=f"example-{n}", task="day") for n in range(60)]
    daemon = build(settings(tmp_path, **quiet), source=MemorySource(messages))
    for _ in range(13):
        daemon.wake()
    asked = [("never", None, None), ("example-7", None, None), ("example-7", None, None)]
    asked += [(None, 9, None), (None, 1, None), (None, 1, None), (None, None, "night"), (None, None, "day")]
    known = []
    for id, label, task in asked:
        where = daemon.erasures.request(Erasure(id=id, label=label, task=task))
        known.append((daemon.erasures.result(where) or {})["known"])
    assert known == [False, True, False, False, True, False, False, True]
    daemon.close()


def test_a_label_or_task_that_was_erased_is_learned_again_when_it_comes_later() -> None:
    messages = [message(0, id="a"), erasure(1, by="label", name="0"), message(3, id="b"), message(6, id="a")]
    (taken,) = everything(an_intake(MemorySource(messages)))
    assert taken.batch.ids == ("b",)
    assert (taken.erased, taken.duplicates) == (1, 1), "its id is known, and it is not learned twice"


def test_the_list_of_erased_ids_is_bounded_and_counts_what_it_forgets() -> None:
    ids = ErasedIds(window=3)
    for name in ("a", "b", "a", "c", "d"):
        ids.add(name)
    assert [name in ids for name in "abcd"] == [True, False, True, True]
    assert (len(ids), ids.forgotten) == (3, 1)
    restarted = ErasedIds(window=3)
    restarted.restore(ids.state())
    assert [name in restarted for name in "abcd"] == [True, False, True, True]


def test_an_id_that_is_dropped_is_not_remembered() -> None:
    ids = RememberedIds(window=3)
    assert ids.admit("a")
    assert (ids.drop("a"), ids.drop("a")) == (0, None)
    assert ids.admit("a")


def test_an_id_says_which_model_version_was_the_newest_when_it_came_also_after_a_restart() -> None:
    ids, restarted = RememberedIds(window=3), RememberedIds(window=3)
    assert len(ids.versions()) == 0, "nothing to save while there is none"
    for version, name in enumerate("abcd"):
        ids.version = version
        ids.admit(name)
    restarted.restore(ids.state())
    restarted.restore_versions(ids.versions())
    assert [restarted.drop(name) for name in "abcd"] == [None, 1, 2, 3]
