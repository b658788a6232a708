"""A sleep schedule that restarts decides as if it had not."""

from __future__ import annotations

import json

from streamlearner.daemon.sleep_schedule import SleepSchedule
from tests.support.sleep_schedules import Clock, due, schedule


def all_on(clock: Clock) -> SleepSchedule:
    return schedule(
        clock,
        every_examples=1000,
        first_examples=100,
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
        full = (step // 60) % 3
        accuracy = None if step < 5 else 0.9 - 0.01 * (step % 25)
        fresh = all_on(clock)
        fresh.restore(json.loads(json.dumps(restarted.state(), allow_nan=False)))
        restarted = fresh
        if step % 97 == 96:
            steady.request()
            restarted.request()
        answers = [due(s, examples, fullness=full, accuracy=accuracy) for s in (steady, restarted)]
        assert answers[0] == answers[1], step
        reasons.append(answers[0])
        for s in (steady, restarted):
            if answers[0]:
                s.began(examples)
            elif step % 5 == 4:
                s.ended()
    assert {"request", "memory_full", "drift", "cron"} <= set(reasons)


def test_early_sleeps_come_when_they_would_have_and_change_nothing_in_the_state_before_them() -> None:
    steady, restarted = (schedule(every_examples=5_000, first_examples=1_000) for _ in range(2))
    assert "regular_examples" not in steady.state()  # as version 0.1.0 left it
    began = []
    for examples in range(0, 16_000, 50):
        fresh = schedule(every_examples=5_000, first_examples=1_000)
        fresh.restore(json.loads(json.dumps(restarted.state())))
        restarted = fresh
        reasons = [due(one, examples) for one in (steady, restarted)]
        assert reasons[0] == reasons[1], examples
        if reasons[0]:
            assert steady.began(examples) == restarted.began(examples)
            began.append(examples)
            for one in (steady, restarted):
                one.ended()
    assert began == [1_000, 2_000, 4_000, 5_000, 10_000, 15_000]


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
