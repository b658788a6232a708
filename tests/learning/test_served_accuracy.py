"""Served accuracy is watched overall and by class; a fall is told once."""

from __future__ import annotations

import json

from streamlearner.learning.served_accuracy import SAME_FALL, Fall, ServedAccuracy


def served(watched: ServedAccuracy, hits: list[bool], classes: list[int]) -> list[Fall]:
    """One batch for each answer."""
    found = []
    for number, (hit, index) in enumerate(zip(hits, classes, strict=True)):
        found += watched.update([hit], [index], name="class {}".format, learned=number)
    return found


def turns(classes: int, count: int) -> list[int]:
    return [number % classes for number in range(count)]


def test_a_class_that_falls_is_named_and_the_others_are_not() -> None:
    watched = ServedAccuracy()
    assert served(watched, [True] * 2_000, turns(10, 2_000)) == []
    classes = turns(10, 400)
    found = served(watched, [index != 3 for index in classes], classes)
    assert {fall.label for fall in found} - {None} == {"class 3"}
    assert watched.rates()[3] < 0.5 < watched.rates()[4]


def test_all_answers_falling_together_are_seen_within_a_few_dozen_examples() -> None:
    watched = ServedAccuracy()
    served(watched, [True] * 1_000, turns(50, 1_000))
    found = served(watched, [False] * 64, turns(50, 64))
    assert [fall.label for fall in found] == [None]
    assert watched.last is not None
    assert (watched.falls, watched.last["class"], watched.last["learned"]) == (1, None, 23)


def test_a_rise_is_no_news() -> None:
    watched = ServedAccuracy()
    assert served(watched, [False] * 300 + [True] * 300, [0] * 600) == []
    assert watched.falls == 0
    assert watched.overall.rate is not None and watched.overall.rate > 0.9


def test_a_fall_that_goes_on_is_told_once_and_a_later_one_again() -> None:
    watched, going = ServedAccuracy(), [True] * 500 + [n % 3 > 0 for n in range(90)] + [False] * 100
    first = served(watched, going, [0] * len(going))
    assert sorted(str(fall.label) for fall in first) == ["None", "class 0"]
    again = served(watched, [True] * SAME_FALL * 2 + [False] * 64, [0] * (2 * SAME_FALL + 64))
    assert sorted(str(fall.label) for fall in again) == ["None", "class 0"]
    assert watched.falls == 4


def test_how_long_ago_a_class_was_seen_is_known_also_after_a_restart() -> None:
    watched, again = ServedAccuracy(), ServedAccuracy()
    served(watched, [True] * 120, [0] * 100 + [1] * 20)
    again.restore(json.loads(json.dumps(watched.state())))
    assert again.ages(120) == watched.ages(120) == {0: 21, 1: 1}


def test_what_is_watched_goes_on_after_a_restart() -> None:
    steady, restarted = ServedAccuracy(), ServedAccuracy()
    assert steady.state() is None
    classes, hits = turns(3, 900), [n < 600 or n % 3 > 0 for n in range(900)]
    for start in range(0, 900, 30):
        if (state := restarted.state()) is not None:
            fresh = ServedAccuracy()
            fresh.restore(json.loads(json.dumps(state)))
            restarted = fresh
        part = slice(start, start + 30)
        found = [served(one, hits[part], classes[part]) for one in (steady, restarted)]
        assert found[0] == found[1]
    assert steady.falls > 0
    assert steady.state() == restarted.state()
