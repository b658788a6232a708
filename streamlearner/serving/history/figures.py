"""The figures of one moment, from the status documents and the counters that there are anyway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamlearner.state.samples import OF_CLASS
from streamlearner.telemetry.serving_metrics import Durations

MOST_CLASSES = 256
"""Beyond, no class has a curve of its own, as in the metrics."""
LATENCY = "predict_le/"
"""Counts of requests by the upper bound of their duration in seconds."""


def means(
    status: Mapping[str, Any],
    retention: Mapping[str, Any],
    memory: Mapping[str, Any],
    *,
    saved_s: float | None,
    now_s: float,
) -> dict[str, float]:
    """Figures that are true at a moment. `saved_s`: when the last checkpoint was."""
    by_class = retention.get("by_class", {})
    answered = status.get("answered") or {}
    found = {
        "retention": retention.get("overall"),
        "forgetting": retention.get("forgetting"),
        "readout": (retention.get("readout") or {}).get("overall"),
        "prequential_accuracy": status.get("prequential_accuracy"),
        "answered_accuracy": (answered.get("by_window") or {}).get("1h"),
        "lag": sum(count or 0 for count in status.get("lag", {}).values()),
        "asleep": float(status.get("asleep", False)),
        "checkpoint_age_s": None if saved_s is None else now_s - saved_s,
        "memory_budget_bits": memory.get("budget_bits"),
    }
    found |= {f"memory_bits/{store}": bits for store, bits in memory.get("stored_bits", {}).items()}
    if len(by_class) <= MOST_CLASSES:
        found |= {f"{OF_CLASS}{label}": value for label, value in by_class.items()}
    return {name: float(value) for name, value in found.items() if value is not None}


def totals(status: Mapping[str, Any], durations: Durations) -> dict[str, float]:
    """What was counted so far; of answers, since the process began."""
    examples = status.get("examples", {})
    found = {"learned": examples.get("learned", 0), "predictions": durations.inputs}
    found |= {f"rejects/{reason}": count for reason, count in status.get("rejects", {}).items()}
    found |= {f"{LATENCY}{bound:g}": count for bound, count in durations.requests_by_bound.items()}
    return {name: float(value) for name, value in found.items()}


class Increments:
    """Totals to what came since the last ones; one that fell (by a rollback) counts from there."""

    def __init__(self, totals: Mapping[str, float]) -> None:
        self._former = dict(totals)

    def since(self, totals: Mapping[str, float]) -> dict[str, float]:
        """Of those that rose."""
        rises = {name: value - self._former.get(name, 0.0) for name, value in totals.items()}
        self._former = dict(totals)
        return {name: rise for name, rise in rises.items() if rise > 0}
