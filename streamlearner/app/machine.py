"""What a daemon has of the machine that it runs on; a simulation has another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from streamlearner.state.disk import LOCAL_DISK, Disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`clock` measures durations, `wall_clock` gives seconds since 1970, `sleep` waits; `disk` holds the
    state folder."""

    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    disk: Disk = LOCAL_DISK


THIS_MACHINE = Machine()
