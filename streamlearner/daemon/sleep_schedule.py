"""When to sleep: by examples, seconds or calendar, when memory fills or accuracy drifts, on request."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

from streamlearner.registry.cron import check_cron, next_fire_s


class SleepSchedule:
    """Decides when the daemon sleeps. Every trigger that is None or False is off; with all off, only
    `request` counts.

    - `every_examples`: that many examples learned since the last sleep began. Before that many were learned
      at all, a sleep also comes at `first_examples` and whenever so many were learned as before all earlier
      sleeps: a short stream sleeps by its share, and the sleeps of a long one come when they did.
    - `every_s`: that many seconds of wall time since the last sleep began.
    - `cron`: five fields (or six, seconds last), in UTC; times missed while the process was down fire once.
    - `on_memory_full`: the memory turned full, or fuller than it was when the last sleep began: a method that
      keeps more than it has places for, because a sleep was refused, is asked again.
    - `drift`: the prequential accuracy (a fraction) fell this far, absolutely, below its best since the last
      sleep began.
    - `on_drift`: a detector found that served accuracy fell, since the last sleep began.
    - `min_examples`: nothing but a request fires before that many examples since the last sleep began; a
      trigger that came due earlier fires then. With 0, time-based triggers fire on an idle stream too.

    The daemon's thread calls everything but `request`, which any thread may call. `clock` gives wall time in
    seconds since 1970, not a monotonic one: seconds that pass while the process is down count, so a restart
    decides as if it had run on. A clock that is set back postpones a time-based sleep by at most one
    interval. Raises `ValueError` for settings that cannot work.
    """

    def __init__(
        self,
        *,
        every_examples: int | None,
        first_examples: int | None,
        every_s: float | None,
        cron: str | None,
        on_memory_full: bool,
        drift: float | None,
        on_drift: bool,
        min_examples: int,
        clock: Callable[[], float],
    ) -> None:
        _check(
            every_examples=every_examples,
            every_s=every_s,
            cron=cron,
            drift=drift,
            min_examples=min_examples,
            first_examples=first_examples,
        )
        self._every_examples = every_examples
        self._first_examples = first_examples
        self._every_s = every_s
        self._cron = cron
        self._on_memory_full = on_memory_full
        self._drift = drift
        self._on_drift = on_drift
        self._min_examples = min_examples
        self._clock = clock
        self._requested = threading.Event()
        self._asleep = False
        self._since_examples = 0
        self._regular_examples = 0  # when the last sleep began that was no early one
        self._since_s = clock()
        self._cron_s = self._next_cron_s()
        self._fullness = 0
        self._fill_served = 0
        self._falls = 0
        self._falls_served = 0
        self._best_accuracy: float | None = None

    def due(
        self, *, examples: int, fullness: int, falls: int = 0, prequential_accuracy: float | None
    ) -> str | None:
        """Why to sleep now: "request", "memory_full", "drift", "examples", "seconds", "cron"; None: stay
        awake.

        `examples` counts all that were ever learned; `fullness` is the method's, 0 while the memory has room;
        `falls` counts those of served accuracy; `prequential_accuracy` is a fraction, None while unknown.
        Call it after each batch, asleep or not: it also keeps track of how full the memory is. The answer
        stays the same until `began` is called.
        """
        self._falls = falls
        self._note(fullness, prequential_accuracy)
        if self._asleep:
            return None
        if self._requested.is_set():
            return "request"
        learned = examples - self._since_examples
        if learned < self._min_examples:
            return None
        if self._on_memory_full and fullness > self._fill_served:
            return "memory_full"
        if (self._on_drift and falls > self._falls_served) or self._has_drifted(prequential_accuracy):
            return "drift"
        if self._examples_due(examples):
            return "examples"
        return self._time_due()

    def request(self) -> None:
        """Asks for a sleep, from any thread; while asleep, for one more after it. Many count as one."""
        self._requested.set()

    def began(self, examples: int) -> float:
        """A sleep begins, `examples` having been learned in all: counts start anew, requests are granted.
        The share of its steps that it should take: an early one, what was learned since the last sleep of
        `every_examples`; all others, 1."""
        early, share = self._is_early(examples) and not self._requested.is_set(), 1.0
        if early and self._every_examples:
            share = (examples - self._since_examples) / self._every_examples
        else:
            self._regular_examples = examples
        self._requested.clear()
        self._asleep = True
        self._since_examples = examples
        self._since_s = self._clock()
        self._cron_s = self._next_cron_s()
        self._fill_served = self._fullness
        self._falls_served = self._falls
        self._best_accuracy = None
        return share

    def ended(self) -> None:
        """The sleep is over: adopted, refused, or given up."""
        self._asleep = False

    def state(self) -> dict[str, Any]:
        """All that decides besides the settings, as JSON; after `restore`, equal settings decide the same.

        The time of the last sleep is in it only where time decides: else equal streams give equal states.
        """
        early = self._regular_examples != self._since_examples
        added = {"regular_examples": self._regular_examples} if early else {}  # since 0.1.0
        added |= {"falls_served": self._falls_served} if self._falls_served else {}
        return added | {
            "requested": self._requested.is_set(),
            "asleep": self._asleep,
            "since_examples": self._since_examples,
            "since_s": self._since_s if self._goes_by_time else None,
            "memory_full": self._fullness,
            "fill_served": self._fill_served,
            "best_accuracy": self._best_accuracy,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restores what `state` gave. Settings may have changed since: they apply from the last sleep on."""
        self._asleep = state["asleep"]
        self._since_examples = state["since_examples"]
        self._regular_examples = state.get("regular_examples", self._since_examples)
        self._since_s = self._clock() if state["since_s"] is None else state["since_s"]
        self._fullness = state["memory_full"]
        self._fill_served = state["fill_served"]
        self._falls_served = state.get("falls_served", 0)
        self._best_accuracy = state["best_accuracy"]
        self._cron_s = self._next_cron_s()
        if state["requested"]:
            self._requested.set()
        else:
            self._requested.clear()

    @property
    def _goes_by_time(self) -> bool:
        return self._every_s is not None or self._cron is not None

    def _note(self, fullness: int, accuracy: float | None) -> None:
        self._fullness = fullness
        self._fill_served = min(self._fill_served, fullness)
        known = accuracy is not None and not math.isnan(accuracy)
        if known and not self._asleep:  # while asleep the accuracy is still that of the model being replaced
            self._best_accuracy = max(accuracy or 0.0, self._best_accuracy or 0.0)

    def _has_drifted(self, accuracy: float | None) -> bool:
        if self._drift is None or accuracy is None or self._best_accuracy is None:
            return False
        return self._best_accuracy - accuracy >= self._drift - 1e-12  # .9 - .8 must count as a fall of .1

    def _examples_due(self, examples: int) -> bool:
        if self._every_examples is None:
            return False
        return examples - self._regular_examples >= self._every_examples or self._is_early(examples)

    def _is_early(self, examples: int) -> bool:
        if self._first_examples is None or self._every_examples is None or examples >= self._every_examples:
            return False
        return examples >= max(self._first_examples, 2 * self._since_examples)

    def _time_due(self) -> str | None:
        now_s = self._clock()
        if (
            now_s < self._since_s
        ):  # the clock was set back: count from here rather than wait for it to catch up
            self._since_s = now_s
            self._cron_s = self._next_cron_s()
        if self._every_s is not None and now_s - self._since_s >= self._every_s:
            return "seconds"
        return "cron" if now_s >= self._cron_s else None

    def _next_cron_s(self) -> float:
        return math.inf if self._cron is None else next_fire_s(self._cron, self._since_s)


def _check(
    *,
    every_examples: int | None,
    every_s: float | None,
    cron: str | None,
    drift: float | None,
    min_examples: int,
    first_examples: int | None,
) -> None:
    if first_examples is not None and first_examples < 1:
        raise ValueError(
            f"sleep.first_examples is {first_examples}: expected at least 1, or none for no early sleep"
        )
    if every_examples is not None and every_examples < 1:
        raise ValueError(
            f"sleep.every_examples is {every_examples}: expected at least 1, or none to switch it off"
        )
    if every_s is not None and not 0 < every_s < math.inf:
        raise ValueError(f"sleep.every_s is {every_s}: expected seconds above 0, or none to switch it off")
    if drift is not None and not 0 < drift <= 1:
        raise ValueError(
            f"sleep.drift is {drift}: expected a fall in accuracy above 0 and up to 1, such as 0.1"
        )
    if min_examples < 0:
        raise ValueError(f"sleep.min_examples is {min_examples}: expected 0 or more")
    if cron is not None:
        check_cron(cron)
