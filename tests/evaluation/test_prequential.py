"""Prequential accuracy, against figures worked out by hand."""

from __future__ import annotations

import json

import pytest

from streamlearner.evaluation.prequential import NoChange, Prequential


def after(hits: str, *, window: int) -> Prequential:
    prequential = Prequential(window=window)
    prequential.update([hit == "1" for hit in hits])
    return prequential


def restored(former: Prequential, *, window: int) -> Prequential:
    prequential = Prequential(window=window)
    prequential.restore(json.loads(json.dumps(former.state())))
    return prequential


def test_before_the_first_example_there_is_no_accuracy() -> None:
    assert Prequential(window=3).accuracy is None


@pytest.mark.parametrize(
    ("hits", "expected"),
    [("1", 1.0), ("10", 0.5), ("100", 1 / 3), ("1001", 1 / 3), ("1110000", 0.0), ("00011", 2 / 3)],
)
def test_accuracy_is_the_share_of_right_answers_among_the_last(hits: str, expected: float) -> None:
    assert after(hits, window=3).accuracy == pytest.approx(expected)


def test_the_whole_stream_is_counted_too() -> None:
    prequential = after("1011001", window=2)
    assert (prequential.seen, prequential.right) == (7, 4)


def test_it_is_full_once_the_window_is_full() -> None:
    prequential = after("11", window=3)
    assert not prequential.is_full
    prequential.update([False])
    assert prequential.is_full


def test_how_the_stream_is_cut_makes_no_difference() -> None:
    whole, cut = after("1101000111010", window=5), Prequential(window=5)
    for part in ("110", "", "1", "000111", "010"):
        cut.update([hit == "1" for hit in part])
    assert cut.state() == whole.state()
    assert cut.accuracy == whole.accuracy


@pytest.mark.parametrize("hits", ["", "1", "10110", "1011001110"])
def test_a_restart_goes_on_as_if_nothing_had_happened(hits: str) -> None:
    one = after(hits, window=4)
    other = restored(one, window=4)
    for prequential in (one, other):
        prequential.update([True, False, True])
    assert other.state() == one.state()
    assert (other.accuracy, other.is_full) == (one.accuracy, one.is_full)


def test_a_shorter_window_at_a_restart_keeps_the_newest() -> None:
    prequential = restored(after("0000011", window=6), window=2)
    assert prequential.accuracy == 1.0
    prequential.update([False])
    assert prequential.accuracy == 0.5


def test_a_longer_window_at_a_restart_counts_only_what_it_knows() -> None:
    prequential = restored(after("000111", window=3), window=5)
    assert prequential.accuracy == 1.0
    assert not prequential.is_full
    prequential.update([False])
    assert prequential.accuracy == pytest.approx(3 / 4)
    prequential.update([False])
    assert prequential.is_full
    assert (prequential.seen, prequential.right) == (8, 3)


def test_no_change_says_the_label_of_the_example_before() -> None:
    repeated = NoChange(window=4)
    for labels in ([], [3, 3], [3], [], [5, 5, 3]):  # cut anywhere
        repeated.follow(labels)
    assert (repeated.seen, repeated.right, repeated.last) == (6, 3, 3)
    assert repeated.accuracy == 0.5  # of the last four: as before, another, as before, another


def test_no_change_goes_on_after_a_restart_and_forgets_an_erased_label() -> None:
    one, other = NoChange(window=4), NoChange(window=4)
    one.follow([1, 1, 2])
    other.restore(json.loads(json.dumps(one.state())))
    for repeated in (one, other):
        repeated.follow([2])
        repeated.forget(1)
        assert repeated.last == 2
        repeated.forget(2)
        repeated.follow([2])
    assert one.state() == other.state()
    assert one.right == 2  # the label before was known no more
