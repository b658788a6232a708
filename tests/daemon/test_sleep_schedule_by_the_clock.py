"""The triggers of the sleep schedule that go by the clock, and the settings that it refuses."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.sleep_schedules import HOUR_S, MIDNIGHT_S, Clock, due, schedule, sleeps


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


@pytest.mark.parametrize("cron", ["@daily", "0 3 * mar fri", "0 0 29 2 *", "*/5 1-3 * * mon-fri"])
def test_the_usual_ways_to_write_cron_are_accepted(cron: str) -> None:
    assert due(schedule(cron=cron)) is None


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
