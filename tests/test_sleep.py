"""The sleep schedule: each trigger fires when it should, once, and the same after a restart."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from streamlearner.sleep import SleepSchedule

MIDNIGHT_S = 1_700_006_400.0  # 2023-11-15 00:00 UTC
HOUR_S = 3600.0


class Clock:
    def __init__(self, now_s: float = MIDNIGHT_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def schedule(
    clock: Clock | None = None,
    *,
    every_examples: int | None = None,
    every_s: float | None = None,
    cron: str | None = None,
    on_memory_full: bool = False,
    drift: float | None = None,
    min_examples: int = 0,
) -> SleepSchedule:
    return SleepSchedule(
        every_examples=every_examples,
        every_s=every_s,
        cron=cron,
        on_memory_full=on_memory_full,
        drift=drift,
        min_examples=min_examples,
        clock=clock or Clock(),
    )


def due(
    sleep: SleepSchedule, examples: int = 0, *, memory_full: bool = False, accuracy: float | None = None
) -> str | None:
    return sleep.due(examples=examples, memory_full=memory_full, prequential_accuracy=accuracy)


def sleeps(sleep: SleepSchedule, examples: int = 0) -> None:
    sleep.began(examples)
    sleep.ended()


def test_with_every_trigger_off_only_a_request_starts_a_sleep() -> None:
    clock = Clock()
    sleep = schedule(clock)
    clock.now_s += 1e9
    assert due(sleep, 10**9, memory_full=True, accuracy=0.0) is None
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


def test_what_is_due_stays_due_until_the_sleep_begins() -> None:
    sleep = schedule(every_examples=100)
    assert [due(sleep, 100), due(sleep, 101), due(sleep, 500)] == ["examples"] * 3


def test_nothing_is_due_while_asleep() -> None:
    clock = Clock()
    sleep = schedule(clock, every_examples=1, every_s=1, cron="* * * * *", on_memory_full=True, drift=0.1)
    sleep.began(10)
    clock.now_s += HOUR_S
    assert due(sleep, 1000, accuracy=0.9) is None
    assert due(sleep, 1000, memory_full=True, accuracy=0.1) is None
    sleep.ended()
    assert due(sleep, 1000, memory_full=True) == "memory_full"


def test_seconds_are_counted_from_the_last_sleep_s_beginning() -> None:
    clock = Clock()
    sleep = schedule(clock, every_s=60)
    clock.now_s += 59.9
    assert due(sleep) is None
    clock.now_s += 0.1
    assert due(sleep) == "seconds"
    sleep.began(0)
    clock.now_s += 30
    sleep.ended()
    clock.now_s += 29
    assert due(sleep) is None
    clock.now_s += 1
    assert due(sleep) == "seconds"


def test_a_clock_that_is_set_back_postpones_by_at_most_one_interval() -> None:
    clock = Clock()
    sleep = schedule(clock, every_s=60, cron="0 3 * * *")
    clock.now_s -= 30 * 24 * HOUR_S
    assert due(sleep) is None
    clock.now_s += 60
    assert due(sleep) == "seconds"
    nightly = schedule(clock, cron="0 3 * * *")
    clock.now_s -= 30 * 24 * HOUR_S
    assert due(nightly) is None
    clock.now_s += 24 * HOUR_S
    assert due(nightly) == "cron"


def test_cron_goes_by_utc_whatever_the_zone_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        clock = Clock()
        sleep = schedule(clock, cron="0 3 * * *")
        clock.now_s = MIDNIGHT_S + 3 * HOUR_S - 1
        assert due(sleep) is None
        clock.now_s += 1
        assert due(sleep) == "cron"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_cron_times_that_passed_unserved_fire_once() -> None:
    clock = Clock()
    sleep = schedule(clock, cron="0 3 * * *")
    clock.now_s += 5 * 24 * HOUR_S
    assert due(sleep) == "cron"
    sleeps(sleep)
    assert due(sleep) is None
    clock.now_s += 3 * HOUR_S
    assert due(sleep) == "cron"


def test_seconds_may_be_the_sixth_field_of_cron() -> None:
    clock = Clock()
    sleep = schedule(clock, cron="* * * * * */10")
    clock.now_s += 9
    assert due(sleep) is None
    clock.now_s += 1
    assert due(sleep) == "cron"


def test_memory_full_fires_once_for_each_filling() -> None:
    sleep = schedule(on_memory_full=True)
    assert due(sleep) is None
    assert due(sleep, memory_full=True) == "memory_full"
    assert due(sleep, memory_full=True) == "memory_full", "until it is served"
    sleeps(sleep)
    assert due(sleep, memory_full=True) is None
    assert due(sleep) is None
    assert due(sleep, memory_full=True) == "memory_full"


def test_memory_that_empties_and_fills_during_a_sleep_fires_after_it() -> None:
    sleep = schedule(on_memory_full=True)
    due(sleep, memory_full=True)
    sleep.began(0)
    due(sleep, memory_full=False)
    assert due(sleep, memory_full=True) is None
    sleep.ended()
    assert due(sleep, memory_full=True) == "memory_full"


def test_a_sleep_for_another_reason_serves_a_memory_that_is_full_too() -> None:
    sleep = schedule(on_memory_full=True)
    sleep.request()
    assert due(sleep, memory_full=True) == "request"
    sleeps(sleep)
    assert due(sleep, memory_full=True) is None


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


def test_min_examples_holds_everything_back_but_a_request_and_loses_nothing() -> None:
    clock = Clock()
    sleep = schedule(
        clock, every_examples=1, every_s=60, cron="* * * * *", on_memory_full=True, drift=0.1, min_examples=50
    )
    clock.now_s += HOUR_S
    due(sleep, 1, accuracy=0.9)
    assert due(sleep, 49, memory_full=True, accuracy=0.1) is None
    assert due(sleep, 50, memory_full=True, accuracy=0.1) == "memory_full"
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


def all_on(clock: Clock) -> SleepSchedule:
    return schedule(
        clock,
        every_examples=1000,
        every_s=500,
        cron="*/7 * * * *",
        on_memory_full=True,
        drift=0.2,
        min_examples=20,
    )


def test_a_restart_at_any_point_decides_the_same() -> None:
    """Two schedules through one story; one of them is replaced by its restored self before every step."""
    clock = Clock()
    steady, restarted = all_on(clock), all_on(clock)
    reasons: list[str | None] = []
    examples = 0
    for step in range(400):
        clock.now_s += (step * 37) % 23
        examples += (step * 13) % 11
        full = (step // 60) % 2 == 1
        accuracy = None if step < 5 else 0.9 - 0.01 * (step % 25)
        fresh = all_on(clock)
        fresh.restore(json.loads(json.dumps(restarted.state(), allow_nan=False)))
        restarted = fresh
        if step % 97 == 96:
            steady.request()
            restarted.request()
        answers = [due(s, examples, memory_full=full, accuracy=accuracy) for s in (steady, restarted)]
        assert answers[0] == answers[1], step
        reasons.append(answers[0])
        for s in (steady, restarted):
            if answers[0]:
                s.began(examples)
            elif step % 5 == 4:
                s.ended()
    assert {"request", "memory_full", "drift", "cron"} <= set(reasons)


def test_time_that_passes_while_the_process_is_down_counts() -> None:
    clock = Clock()
    before = schedule(clock, every_s=60)
    state = before.state()
    clock.now_s += 61
    after = schedule(clock, every_s=60)
    assert due(after) is None
    after.restore(state)
    assert due(after) == "seconds"


def test_restore_forgets_a_request_that_the_state_does_not_hold() -> None:
    state = schedule().state()
    sleep = schedule()
    sleep.request()
    sleep.restore(state)
    assert due(sleep) is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"every_examples": 0}, "every_examples is 0"),
        ({"every_s": 0.0}, "every_s is 0.0"),
        ({"every_s": float("nan")}, "every_s is nan"),
        ({"drift": 0.0}, "drift is 0.0"),
        ({"drift": 1.5}, "drift is 1.5"),
        ({"min_examples": -1}, "min_examples is -1"),
        ({"cron": "every night"}, '"0 3 \\* \\* \\*"'),
        ({"cron": "61 * * * *"}, "out of range.*such as"),
        ({"cron": "* * *"}, "such as"),
        ({"cron": ""}, "such as"),
        ({"cron": "0 0 30 2 *"}, "such as"),
        ({"cron": "R 3 * * *"}, "random.*such as"),
        ({"cron": "0 R(1-4) * * *"}, "random.*such as"),
        ({"cron": "0 0 1 1 * 0 2020"}, "more than six fields.*such as"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_what_was_expected(
    settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        schedule(**settings)


@pytest.mark.parametrize("cron", ["@daily", "0 3 * mar fri", "0 0 29 2 *", "*/5 1-3 * * mon-fri"])
def test_the_usual_ways_to_write_cron_are_accepted(cron: str) -> None:
    assert due(schedule(cron=cron)) is None
