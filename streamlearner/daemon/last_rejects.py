"""The last rejects of each reason, in memory, for a person who looks for what is wrong with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from streamlearner.daemon.intake_contracts import RejectWriter
from streamlearner.stream import Message, Reject

KEPT = 5
"""Of each reason."""
MOST_REASONS = 64
BEGINNING_BYTES = 160
"""Of a message's value that is shown."""


class LastRejects:
    """Passes rejects on to the dead letters `behind` it. The learning thread writes, any thread reads."""

    def __init__(self, behind: RejectWriter, *, now_s: Callable[[], float]) -> None:
        self._behind = behind
        self._now_s = now_s
        self._last: dict[str, deque[dict[str, Any]]] = {}

    def write(self, rejects: Sequence[Reject]) -> None:
        """First where they are kept for good."""
        self._behind.write(rejects)
        for reject in rejects:
            if reject.reason in self._last or len(self._last) < MOST_REASONS:
                last = self._last.setdefault(reject.reason, deque(maxlen=KEPT))
                last.append(_described(reject, self._now_s()))

    def document(self) -> dict[str, list[dict[str, Any]]]:
        """By reason, the newest first."""
        return {reason: list(reversed(last.copy())) for reason, last in self._last.copy().items()}


def _described(reject: Reject, at_s: float) -> dict[str, Any]:
    message = reject.message
    return {
        "at_s": at_s,
        "where": message.where(),
        "detail": reject.detail,
        "size": None if message.value is None else len(message.value),
        "beginning": _beginning(message),
        "headers": [[name, _shown(value)] for name, value in message.headers[:8]],
    }


def _beginning(message: Message) -> str | None:
    return None if message.value is None else _shown(message.value)


def _shown(content: bytes | None) -> str:
    """As text where it is some, else in hexadecimal."""
    content = content or b""
    beginning = content[:BEGINNING_BYTES]
    text = beginning.decode("utf-8", "replace")
    if len(content) > len(beginning):
        text = text.rstrip("\ufffd")  # the cut may go through a letter
    lines = text.translate({ord(blank): " " for blank in "\n\r\t"})
    return text if lines.isprintable() and "\ufffd" not in text else beginning.hex(" ")
