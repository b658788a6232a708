"""Sleeps by the calendar: cron expressions, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime


def next_fire_s(cron: str, after_s: float) -> float:
    """The first time after this one, in seconds since 1970."""
    from croniter import croniter  # once there is one: few sleep by the calendar

    # a datetime with its zone, so that the host's own zone can never matter
    fire: datetime = croniter(cron, datetime.fromtimestamp(after_s, UTC)).get_next(datetime)
    return fire.timestamp()


def check_cron(cron: str) -> None:
    """Raises ValueError for one that cannot work, or not the same after a restart."""
    if (reason := why_not(cron)) is not None:
        raise ValueError(
            f"sleep.cron is {cron!r}: {reason}; expected five fields (minute hour day month weekday, UTC), "
            'such as "0 3 * * *": 03:00 every night'
        )


def why_not(cron: str) -> str | None:
    """What is wrong with it; None for a good one."""
    if len(cron.split()) > 6:  # a year as the seventh would run out
        return "it has more than six fields"
    # croniter's R draws from the global random generator: a restart would decide otherwise
    if re.search(r"(^|[\s,])[Rr]($|[\s,(/])", cron):
        return "random fields (R) cannot be repeated after a restart"
    try:
        next_fire_s(cron, 0.0)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return str(error)
    return None
