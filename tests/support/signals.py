"""Signals as a terminal sends them, whoever started the tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeded(number: signal.Signals) -> Iterator[None]:
    """Inside, processes are started that do not ignore it. Who starts tests with nohup, or in the background,
    hands down that SIGHUP or SIGINT is ignored, and no shell traps what was ignored from the start."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)
