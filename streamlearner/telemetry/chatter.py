"""What a library says of its own trouble, made fit for the daemon's log."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import TextIO

QUIET_S = 60.0
"""Of lines that differ only in names and numbers, one in so long is shown."""
TEMPLATES = 1_000
_OF_ITS_SCHEDULING = "ran for"
"""`Task ... ran for 0.150s`: another process had the core, which is nobody's fault."""
_VARIES = re.compile(r"\d+|<[^>]*>|0x[0-9a-f]+")


class Chatter:
    """Thins out and lowers the lines of one library: what it calls an error (each lost connection) is none of
    the daemon's, which goes on. Of each kind one line in `QUIET_S` passes, which says how many did not; none
    is above WARNING and none has a traceback. The lines of others pass as they are.
    """

    def __init__(self, library: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._library = library
        self._clock = clock
        self._shown_s: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def shown(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """What is written of a line: itself, a lower one, or nothing."""
        if record.name != self._library and not record.name.startswith(f"{self._library}."):
            return record
        text = record.getMessage()
        if _OF_ITS_SCHEDULING in text and record.levelno <= logging.WARNING:
            return None
        kind = _VARIES.sub("#", f"{record.name} {text}")
        now_s = self._clock()
        if now_s - self._shown_s.get(kind, -QUIET_S) < QUIET_S:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return None
        if len(self._shown_s) >= TEMPLATES:
            self._shown_s.clear()
            self._left_out.clear()
        self._shown_s[kind] = now_s
        return self._lowered(record, text, left_out=self._left_out.pop(kind, 0))

    def _lowered(self, record: logging.LogRecord, text: str, *, left_out: int) -> logging.LogRecord:
        """A copy: other handlers see the library's own."""
        shown = logging.makeLogRecord(record.__dict__)
        shown.levelno = min(record.levelno, logging.WARNING)
        shown.levelname = logging.getLevelName(shown.levelno)
        shown.msg, shown.args, shown.exc_info, shown.exc_text = f"{self._library}: {text}", None, None, None
        if left_out:
            shown.msg += f" ({left_out} more like it were left out)"
        return shown


class ThinnedHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr what a `Chatter` leaves. (Filters may exchange a record only since Python 3.12.)"""

    def __init__(self, chatter: Chatter) -> None:
        super().__init__()
        self._chatter = chatter

    def handle(self, record: logging.LogRecord) -> bool:
        shown = self._chatter.shown(record)
        return super().handle(shown) if shown is not None else False
