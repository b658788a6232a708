"""What the tests of the sleep schedule share: a clock to set, and schedules with few words."""

from __future__ import annotations

from streamlearner.daemon.sleep_schedule import SleepSchedule

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
    first_examples: int | None = None,
    every_s: float | None = None,
    cron: str | None = None,
    on_memory_full: bool = False,
    drift: float | None = None,
    on_drift: bool = False,
    min_examples: int = 0,
) -> SleepSchedule:
    return SleepSchedule(
        every_examples=every_examples,
        first_examples=first_examples,
        every_s=every_s,
        cron=cron,
        on_memory_full=on_memory_full,
        drift=drift,
        on_drift=on_drift,
        min_examples=min_examples,
        clock=clock or Clock(),
    )


def due(
    sleep: SleepSchedule,
    examples: int = 0,
    *,
    fullness: int = 0,
    falls: int = 0,
    accuracy: float | None = None,
) -> str | None:
    return sleep.due(examples=examples, fullness=fullness, falls=falls, prequential_accuracy=accuracy)


def sleeps(sleep: SleepSchedule, examples: int = 0) -> None:
    sleep.began(examples)
    sleep.ended()
