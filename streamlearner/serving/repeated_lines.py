"""A line of the log that a stranger can have written as often as it likes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

QUIET_S = 60.0


class OnceInAWhile(logging.Filter):
    """Passes one line with this `text` in `QUIET_S`, which says how many did not pass; all others as they
    are."""

    def __init__(self, text: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._text = text
        self._clock = clock
        self._shown_s = -QUIET_S
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if self._text not in str(record.msg):
            return True
        if self._clock() - self._shown_s < QUIET_S:
            self._left_out += 1
            return False
        if self._left_out:
            record.msg = f"{record.msg} ({self._left_out} more like it were left out)"
        self._shown_s, self._left_out = self._clock(), 0
        return True
