"""Ends the process when a call into a client library hangs: nothing inside the process can free it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

HUNG_EXIT_CODE = 70
TICKS = 10


class Watchdog:
    """A thread that calls `end(70)` once a watched call runs `limit_s` past its own timeout.

    Time is counted in ticks of limit_s / 10 that the thread itself was awake for, so a process that was
    stopped (SIGSTOP, a suspended laptop) and continued is not mistaken for a hung one.
    """

    def __init__(
        self,
        *,
        limit_s: float,
        end: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_s = limit_s
        self._tick_s = limit_s / TICKS
        self._end = end
        self._clock = clock
        self._call: tuple[str, float] | None = None  # what is being watched, and its own timeout
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @contextmanager
    def watching(self, name: str, timeout_s: float) -> Iterator[None]:
        """Watches the body, which promises to return within about `timeout_s`."""
        self._call = (name, timeout_s)
        try:
            yield
        finally:
            self._call = None

    def close(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        call, spent_s, before_s = self._call, 0.0, self._clock()
        while not self._stopped.wait(self._tick_s):
            now_s = self._clock()
            spent_s = spent_s + min(now_s - before_s, 2 * self._tick_s) if call is self._call else 0.0
            call, before_s = self._call, now_s
            if call is not None and spent_s > call[1] + self._limit_s:
                log.critical(
                    "%s hangs: %.0f s past its timeout of %.1f s; ending the process so that a new one "
                    "resumes at the last checkpoint",
                    call[0],
                    spent_s - call[1],
                    call[1],
                )
                self._end(HUNG_EXIT_CODE)
                return
