"""What a caller of the push log waits with."""

from __future__ import annotations

import threading

from streamlearner.connectors.push.records import Receipt
from streamlearner.connectors.push.store import LogRecord


class Ticket:
    """One caller's records on their way to disk."""

    def __init__(self, entries: list[LogRecord]) -> None:
        self.entries = entries
        self.size = sum(entry.size for entry in entries)
        self.receipt: Receipt | None = None
        self.error: BaseException | None = None
        self.turn = (
            threading.Event()
        )  # set when written or refused, or when it is this caller's turn to write
