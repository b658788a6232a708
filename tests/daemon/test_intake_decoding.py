"""The intake passes on what is valid and new, once; the rest is counted."""

from __future__ import annotations

from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.known_ids import RememberedIds
from tests.support.intakes import (
    CollectedRejects,
    an_intake,
    everything,
    first_pixels,
    garbage,
    message,
    tombstone,
)


def test_what_cannot_be_decoded_goes_to_the_dead_letters_and_is_counted_by_reason() -> None:
    intake = an_intake(MemorySource([message(0), garbage(1), garbage(2), message(3)]))
    (taken,) = everything(intake)
    assert isinstance(intake.dead_letters, CollectedRejects)
    assert [reject.message.offset for reject in intake.dead_letters.rejects] == [1, 2]
    (reason,) = {reject.reason for reject in intake.dead_letters.rejects}
    assert taken.rejects == {reason: 2}
    assert (taken.messages, len(taken.batch), taken.duplicates) == (4, 2, 0)


def test_a_tombstone_counts_as_a_message_and_nothing_else() -> None:
    intake = an_intake(MemorySource([tombstone(0), tombstone(1), message(2), tombstone(3)]))
    (taken,) = everything(intake)
    assert isinstance(intake.dead_letters, CollectedRejects)
    assert intake.dead_letters.rejects == []
    assert (taken.messages, len(taken.batch), taken.rejects, taken.duplicates) == (4, 1, {}, 0)
    assert taken.tombstones == 3


def test_an_id_seen_before_is_learned_once_in_the_same_batch_and_in_a_later_one() -> None:
    ids = ["a", "b", "a", None, "c", "b", None, "d"]
    batches = everything(an_intake(MemorySource([message(i, id=id) for i, id in enumerate(ids)])))
    assert first_pixels(batches) == [[0, 1, 3], [4, 6, 7]]
    assert [taken.duplicates for taken in batches] == [1, 1]
    assert batches[0].batch.ids == ("a", "b", None)


def test_an_id_older_than_the_window_is_forgotten() -> None:
    ids = ["a", "b", "c", "a", "c"]
    intake = an_intake(MemorySource([message(i, id=id) for i, id in enumerate(ids)]), remembered_ids=2)
    assert first_pixels(everything(intake)) == [[0, 1, 2, 3], []]


def test_no_window_means_no_duplicates() -> None:
    intake = an_intake(MemorySource([message(i, id="a") for i in range(4)]), remembered_ids=0)
    assert sum(taken.duplicates for taken in everything(intake)) == 0


def test_remembered_ids_survive_a_restart_and_a_smaller_window_keeps_the_newest() -> None:
    ids = RememberedIds(window=3)
    assert [ids.admit(name) for name in "abcd"] == [True] * 4
    same, smaller, none = RememberedIds(window=3), RememberedIds(window=1), RememberedIds(window=0)
    for restored in (same, smaller, none):
        restored.restore(ids.state())
    assert [same.admit(name) for name in "bcd"] == [False] * 3
    assert same.state().tolist() == ids.state().tolist()
    assert [smaller.admit(name) for name in "dcb"] == [False, True, True]
    assert len(none.state()) == 0


def test_remembered_ids_take_eight_bytes_each_and_stay_in_the_window() -> None:
    ids = RememberedIds(window=50)
    for number in range(500):
        ids.admit(f"example-{number}")
    assert ids.state().nbytes == 50 * 8
