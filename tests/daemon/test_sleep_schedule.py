"""The sleep schedule: each trigger fires when it should, once; a request always does."""

from __future__ import annotations

import threading

import pytest

from streamlearner.daemon.sleep_schedule import SleepSchedule
from tests.support.sleep_schedules import HOUR_S, Clock, due, schedule, sleeps


def test_with_every_trigger_off_only_a_request_starts_a_sleep() -> None:
    clock = Clock()
    sleep = schedule(clock)
    clock.now_s += 1e9
    assert due(sleep, 10**9, fullness=1, accuracy=0.0) is None
    sleep.request()
    assert due(sleep, 10**9) == "request"


def test_examples_are_counted_from_the_last_sleep_s_beginning() -> None:
    sleep = schedule(every_examples=100)
    assert due(sleep, 99) is None
    assert due(sleep, 100) == "examples"
    sleep.began(110)
    sleep.ended()
    assert due(sleep, 209) is None
    assert due(sleep, 210) == "examples"


def slept_at(sleep: SleepSchedule, most: int) -> dict[int, float]:
    """When it sleeps, ten examples a batch, and by what share of a sleep."""
    found = {}
    for examples in range(10, most + 1, 10):
        if due(sleep, examples) == "examples":
            found[examples] = sleep.began(examples)
            sleep.ended()
    return found


def test_first_sleeps_come_early_and_shorter_whenever_the_examples_doubled_and_later_ones_as_before() -> None:
    early = schedule(every_examples=5_000, first_examples=1_000)
    whole = {5_000: 1.0, 10_000: 1.0, 15_000: 1.0}
    assert slept_at(early, 16_000) == {1_000: 0.2, 2_000: 0.2, 4_000: 0.4} | whole
    assert slept_at(schedule(every_examples=5_000), 16_000) == whole


def test_early_sleeps_keep_their_distance() -> None:
    sleep = schedule(every_examples=5_000, first_examples=100, min_examples=1_000)
    assert slept_at(sleep, 11_000) == {1_000: 0.2, 2_000: 0.2, 4_000: 0.4, 5_000: 1.0, 10_000: 1.0}


@pytest.mark.parametrize("every", [1_000, 600, None])
def test_nothing_is_early_where_sleeps_are_as_frequent_anyway_or_never_come(every: int | None) -> None:
    slept, early = (schedule(every_examples=every, first_examples=first) for first in (None, 1_000))
    assert slept_at(early, 4_000) == slept_at(slept, 4_000)


def test_a_request_is_a_whole_sleep_from_which_examples_are_counted_even_when_an_early_one_is_due() -> None:
    sleep = schedule(every_examples=5_000, first_examples=1_000)
    sleep.request()
    assert due(sleep, 1_200) == "request"
    assert sleep.began(1_200) == 1.0
    sleep.ended()
    assert slept_at(sleep, 12_000) == {2_400: 0.24, 4_800: 0.48, 6_200: 1.0, 11_200: 1.0}


def test_what_is_due_stays_due_until_the_sleep_begins() -> None:
    sleep = schedule(every_examples=100)
    assert [due(sleep, 100), due(sleep, 101), due(sleep, 500)] == ["examples"] * 3


def test_nothing_is_due_while_asleep() -> None:
    clock = Clock()
    sleep = schedule(clock, every_examples=1, every_s=1, cron="* * * * *", on_memory_full=True, drift=0.1)
    sleep.began(10)
    clock.now_s += HOUR_S
    assert due(sleep, 1000, accuracy=0.9) is None
    assert due(sleep, 1000, fullness=1, accuracy=0.1) is None
    sleep.ended()
    assert due(sleep, 1000, fullness=1) == "memory_full"


def test_memory_full_fires_once_for_each_filling() -> None:
    sleep = schedule(on_memory_full=True)
    assert due(sleep) is None
    assert due(sleep, fullness=1) == "memory_full"
    assert due(sleep, fullness=1) == "memory_full", "until it is served"
    sleeps(sleep)
    assert due(sleep, fullness=1) is None
    assert due(sleep) is None
    assert due(sleep, fullness=1) == "memory_full"


def test_memory_that_is_kept_beyond_its_places_fires_again() -> None:
    sleep = schedule(on_memory_full=True)
    assert due(sleep, fullness=1) == "memory_full"
    sleeps(sleep)
    assert due(sleep, fullness=1) is None, "refused, and nothing more came"
    assert due(sleep, fullness=2) == "memory_full"
    sleep.began(0)
    due(sleep, fullness=3)
    sleep.ended()
    assert due(sleep, fullness=3) == "memory_full", "more came during the sleep"
    sleeps(sleep)
    assert due(sleep, fullness=1) is None
    assert due(sleep, fullness=2) == "memory_full", "it had become less full meanwhile"


def test_memory_that_empties_and_fills_during_a_sleep_fires_after_it() -> None:
    sleep = schedule(on_memory_full=True)
    due(sleep, fullness=1)
    sleep.began(0)
    due(sleep, fullness=0)
    assert due(sleep, fullness=1) is None
    sleep.ended()
    assert due(sleep, fullness=1) == "memory_full"


def test_a_sleep_for_another_reason_serves_a_memory_that_is_full_too() -> None:
    sleep = schedule(on_memory_full=True)
    sleep.request()
    assert due(sleep, fullness=1) == "request"
    sleeps(sleep)
    assert due(sleep, fullness=1) is None


def test_drift_is_a_fall_below_the_best_since_the_last_sleep() -> None:
    sleep = schedule(drift=0.1)
    assert [due(sleep, accuracy=a) for a in (0.5, 0.9, 0.81, 0.85)] == [None] * 4
    assert due(sleep, accuracy=0.8) == "drift"
    sleeps(sleep)
    assert [due(sleep, accuracy=a) for a in (0.8, 0.75, 0.71)] == [None] * 3, "the best starts anew"
    assert due(sleep, accuracy=0.7) == "drift"


def test_drift_passes_over_an_unknown_accuracy_and_what_is_seen_asleep() -> None:
    sleep = schedule(drift=0.1)
    assert [due(sleep, accuracy=a) for a in (0.9, None, float("nan"))] == [None] * 3
    assert due(sleep, accuracy=0.8) == "drift"
    sleep.began(0)
    due(sleep, accuracy=0.99)
    sleep.ended()
    assert due(sleep, accuracy=0.5) is None


@pytest.mark.parametrize("accuracy", [0.0, -0.0])
def test_drift_down_to_nothing_is_drift(accuracy: float) -> None:
    sleep = schedule(drift=0.1)
    due(sleep, accuracy=0.1)
    assert due(sleep, accuracy=accuracy) == "drift"


def test_a_fall_that_was_detected_is_slept_over_once_where_that_is_wanted() -> None:
    sleep, deaf = schedule(on_drift=True), schedule()
    assert [due(sleep, falls=0), due(sleep, falls=2), due(deaf, falls=2)] == [None, "drift", None]
    sleep.began(0)
    assert due(sleep, falls=3) is None
    sleep.ended()
    assert due(sleep, falls=3) == "drift", "one more while asleep"
    sleeps(sleep)
    assert due(sleep, falls=3) is None
    again = schedule(on_drift=True)
    again.restore(sleep.state())
    assert [due(again, falls=3), due(again, falls=4)] == [None, "drift"]


def test_min_examples_holds_everything_back_but_a_request_and_loses_nothing() -> None:
    clock = Clock()
    sleep = schedule(
        clock, every_examples=1, every_s=60, cron="* * * * *", on_memory_full=True, drift=0.1, min_examples=50
    )
    clock.now_s += HOUR_S
    due(sleep, 1, accuracy=0.9)
    assert due(sleep, 49, fullness=1, accuracy=0.1) is None
    assert due(sleep, 50, fullness=1, accuracy=0.1) == "memory_full"
    sleeps(sleep, 50)
    sleep.request()
    assert due(sleep, 51) == "request"


def test_a_request_is_granted_once_and_one_made_asleep_starts_another_sleep() -> None:
    sleep = schedule()
    sleep.request()
    sleep.request()
    assert due(sleep) == "request"
    sleep.began(0)
    sleep.request()
    assert due(sleep) is None
    sleep.ended()
    assert due(sleep) == "request"
    sleeps(sleep)
    assert due(sleep) is None


def test_requests_may_come_from_other_threads() -> None:
    sleep = schedule()
    threads = [threading.Thread(target=sleep.request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert due(sleep) == "request"
