"""How long a test waits: while something moves. A slow machine is slow here, and not red."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STILL_S = 60.0
"""Nothing moves for so long: what is waited for will not come."""
LONGEST_S = 900.0
"""Nothing is waited for longer, whatever moves."""
CPU_STEP_S = 5.0
"""So much time of a core is a move: a daemon at work takes it in seconds, and at load 10 within STILL_S; one
that only polls, a twentieth of a core, does not."""


class Patience:
    """One wait. It ends where no sign has changed for `still_s` seconds, or after LONGEST_S."""

    def __init__(self, *, still_s: float = STILL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._still_s = still_s
        self._clock = clock
        self._began_s = self._moved_s = clock()
        self._signs: Any = None

    def lasts(self, *signs: Any) -> bool:
        """Whether to go on waiting. `signs` are whatever changes while work goes on: messages taken, steps, a
        process's seconds of CPU (`cpu_steps`)."""
        now_s = self._clock()
        if signs != self._signs:
            self._signs, self._moved_s = signs, now_s
        return now_s - self._moved_s < self._still_s and now_s - self._began_s < LONGEST_S

    def __str__(self) -> str:
        return f"waited {self._clock() - self._began_s:.0f} s; last seen {self._signs}"


def cpu_steps(seconds: float | None = None) -> int:
    """This process's time on cores, or `seconds`, in steps of CPU_STEP_S."""
    return int((time.process_time() if seconds is None else seconds) / CPU_STEP_S)


def cpu_seconds_of(process: int) -> float:
    """Seconds of a core that a process has had; 0 once it has ended."""
    try:
        times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(holds: Callable[[], Any], what: str, *, every_s: float = 0.005) -> Any:
    """The first true value of `holds`, while this process works on it."""
    patience = Patience()
    while not (value := holds()):
        if not patience.lasts(cpu_steps()):
            raise AssertionError(f"{what}: did not come true; {patience}")
        time.sleep(every_s)
    return value
