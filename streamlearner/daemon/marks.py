"""What happened, as marks on the curves of the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

MarkWriter: TypeAlias = Callable[[str, Mapping[str, Any]], None]
"""Takes what happened, by kind, for the history; it returns at once (`state.history.History.mark`)."""


def no_mark(kind: str, details: Mapping[str, Any]) -> None:
    """Where no history is kept."""
